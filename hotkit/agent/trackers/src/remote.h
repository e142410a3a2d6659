/* System calls in another process; remote.c and inject.c explain. */
#ifndef REMOTE_H
#define REMOTE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct call {
	long number;
	uint64_t argument[6];
};

/* How a call is undone; `check`, when it has a number, is made before, and where it fails there is nothing to
 * undo any more. An argument RESULT of `call`, the first, is the result of what is undone. With `hoped` (a
 * negated errno) it is this failure of `check` that says that there is; its success is undone by `back`. */
struct undo {
	struct call call, check, back;
	long hoped;
};
#define RESULT (~0ull - 1)
#define NO_CALL { .number = -1 }

/* Refuses, with a sentence, a process in which a call of ours would do harm. */
void remote_open(long pid);
/* The call's result, a negated errno for an error. `undo` (or NULL) is done in the end if it succeeded.
 * Where no call can be made, scan dies. */
long remote_call(const struct call *call, const struct undo *undo);
/* The last undo that is left, now; its result. */
long remote_undo(void);
/* All that is left to undo, the last first; the first result that was no success. */
long remote_close(void);
void remote_read(uint64_t from, void *to, size_t bytes);
void remote_write(uint64_t to, const void *from, size_t bytes);
/* CPU time of these calls until now: the other process's, and that of who makes them. */
uint64_t remote_cpu_ns(void);

/* inject.c: 0 when the call was made (`result` is its own), else a negated errno. With -ETIMEDOUT the thread
 * is still to stop, and let go when the caller exits. SIGCHLD must be blocked. Adds to `spent_ns`. */
int inject(pid_t pid, const struct call *call, long *result, uint64_t *spent_ns);

#endif
