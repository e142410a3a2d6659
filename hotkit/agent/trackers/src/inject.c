/*
 * One system call in another process's main thread, by ptrace(2); x86-64.
 *
 * The thread is stopped (PTRACE_INTERRUPT) on its way back to user space, in the kernel's get_signal(). It
 * gets registers that lead to a `syscall` instruction, runs to the end of that call, is stopped at such a
 * place once more, gets its own registers back and goes on: no instruction of its own is run in between.
 *
 * A call of its own that the stop has interrupted (orig_rax >= 0, rax = -ERESTART...) is restarted by the
 * kernel itself, since only after that stop, with the old registers, it decides about it as ever: whether a
 * handler runs first, and with SA_RESTART or not, and that a sleep goes on with what is left of it.
 * orig_rax = -1 meanwhile keeps it from doing so earlier.
 *
 * Signals are blocked meanwhile, so they stay in the queue with all that is in them. SIGSTOP cannot be
 * blocked: it takes its course, and a thread of a stopped process makes the call and is stopped again.
 *
 * PTRACE_SINGLESTEP would be simpler, but its SIGTRAP is forced: it unblocks what the process had blocked.
 */
#define _GNU_SOURCE
#include "remote.h"

#include <errno.h>

#ifdef __x86_64__

#include <fcntl.h>
#include <elf.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define STOP_SECONDS 10
#define TRIES 1000
#define SYSCALL_STOP (SIGTRAP | 0x80) /* PTRACE_O_TRACESYSGOOD */
#define RSEQ_CONFIGURATION 0x420f     /* PTRACE_GET_RSEQ_CONFIGURATION, 5.13 */
/* include/linux/errno.h: what a call that is to be restarted leaves in rax */
#define ERESTARTSYS 512
#define ERESTARTNOHAND 514
#define ERESTART_RESTARTBLOCK 516

/* 8 bytes of a stopped thread's memory; 0 where there is none. */
static uint64_t word_at(pid_t pid, uint64_t address)
{
	long word;

	errno = 0;
	word = ptrace(PTRACE_PEEKDATA, pid, address, NULL);
	return errno ? 0 : (uint64_t)word;
}

static int is_syscall(pid_t pid, uint64_t address)
{
	return (word_at(pid, address) & 0xffff) == 0x050f;
}

/* A `syscall` instruction: the vdso has one, else any mapping that may be executed. 0: none. */
static uint64_t find_syscall(pid_t pid)
{
	static unsigned char code[1 << 20];
	char path[64], line[512], rights[5], name[16];
	uint64_t start, end, found = 0;
	int memory;
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	memory = open(path, O_RDONLY | O_CLOEXEC);
	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	maps = fopen(path, "re");
	while (maps && fgets(line, sizeof(line), maps)) {
		ssize_t bytes;
		void *at;
		int in_vdso;

		*name = 0;
		if (sscanf(line, "%lx-%lx %4s %*s %*s %*s %15s", &start, &end, rights, name) < 3)
			continue;
		in_vdso = !strcmp(name, "[vdso]");
		if (rights[2] != 'x' || (found && !in_vdso))
			continue;
		bytes = end - start < sizeof(code) ? (ssize_t)(end - start) : (ssize_t)sizeof(code);
		bytes = pread(memory, code, (size_t)bytes, (off_t)start) - 6; /* word_at() reads 8 */
		at = bytes > 0 ? memmem(code, (size_t)bytes, "\x0f\x05", 2) : NULL;
		if (at)
			found = start + (uint64_t)((unsigned char *)at - code);
		if (at && in_vdso)
			break;
	}
	if (maps)
		fclose(maps);
	if (memory >= 0)
		close(memory);
	return found;
}

/* Whether code that must not be interrupted unnoticed (rseq(2)) may have been: with registers that lead
 * elsewhere the kernel would not see it. Let go, it sees it. A finished sequence looks the same, once. */
static int in_sequence(pid_t pid)
{
	struct {
		uint64_t area;
		uint32_t bytes, signature, flags, pad;
	} rseq = { 0 };

	return ptrace(RSEQ_CONFIGURATION, pid, sizeof(rseq), &rseq) > 0 && rseq.area &&
	       word_at(pid, rseq.area + 8);
}

/* The next stop of the thread; `seconds` < 0: however long it takes. SIGCHLD must be blocked. */
static int next_stop(pid_t pid, int seconds, int *status)
{
	const struct timespec second = { 1, 0 };
	sigset_t told;
	pid_t got;

	sigemptyset(&told);
	sigaddset(&told, SIGCHLD);
	while (!(got = waitpid(pid, status, __WALL | WNOHANG)))
		if (sigtimedwait(&told, NULL, &second) < 0 && errno == EAGAIN && seconds-- == 0)
			return -ETIMEDOUT;
	return got == pid && WIFSTOPPED(*status) ? 0 : -ESRCH;
}

/* To the stop that PTRACE_INTERRUPT has asked for, or the like; a signal on its way is let through. */
static int to_interrupt(pid_t pid, int seconds)
{
	int status, error;

	while (!(error = next_stop(pid, seconds, &status)) && status >> 16 != PTRACE_EVENT_STOP) {
		int signal = WSTOPSIG(status) == SYSCALL_STOP ? 0 : WSTOPSIG(status);

		if (ptrace(PTRACE_CONT, pid, 0, signal))
			return -ESRCH;
	}
	return error;
}

static int registers(enum __ptrace_request request, pid_t pid, struct user_regs_struct *regs)
{
	struct iovec io = { regs, sizeof(*regs) };

	if (ptrace(request, pid, NT_PRSTATUS, &io))
		return -ESRCH;
	return io.iov_len == sizeof(*regs) ? 0 : -ENOEXEC; /* that of a 32-bit thread is shorter */
}

/* From one interrupt's stop to another, with a system call in between. */
static int run(pid_t pid, struct user_regs_struct regs, uint64_t code, const struct call *call,
	       long *result)
{
	int status, signal = 0;

	regs.rip = code;
	regs.orig_rax = (uint64_t)-1;
	regs.rax = (uint64_t)call->number;
	regs.rdi = call->argument[0];
	regs.rsi = call->argument[1];
	regs.rdx = call->argument[2];
	regs.r10 = call->argument[3];
	regs.r8 = call->argument[4];
	regs.r9 = call->argument[5];
	if (registers(PTRACE_SETREGSET, pid, &regs))
		return -ESRCH;
	for (int stops = 0; stops < 2;) { /* where it enters the call, and where it leaves it */
		if (ptrace(PTRACE_SYSCALL, pid, 0, signal) || next_stop(pid, -1, &status))
			return -ESRCH;
		signal = 0;
		if (WSTOPSIG(status) == SYSCALL_STOP)
			stops++;
		else if (status >> 16 != PTRACE_EVENT_STOP)
			signal = WSTOPSIG(status);
	}
	if (registers(PTRACE_GETREGSET, pid, &regs) || ptrace(PTRACE_INTERRUPT, pid, 0, 0) ||
	    ptrace(PTRACE_CONT, pid, 0, 0) || to_interrupt(pid, -1))
		return -ESRCH;
	*result = (long)regs.rax;
	return 0;
}

/* CPU time of the main thread, in ns; 0 where the kernel does not keep it (CONFIG_SCHED_INFO). */
static uint64_t thread_ns(pid_t pid)
{
	static int file = -1;
	char text[64] = "";

	if (file < 0) {
		snprintf(text, sizeof(text), "/proc/%d/task/%d/schedstat", pid, pid);
		file = open(text, O_RDONLY | O_CLOEXEC);
	}
	if (pread(file, text, sizeof(text) - 1, 0) < 0)
		return 0;
	return strtoull(text, NULL, 10);
}

static int was_waiting(const struct user_regs_struct *regs)
{
	const long result = (long)regs->rax;

	return (long)regs->orig_rax >= 0 &&
	       (result == -EINTR || (result <= -ERESTARTSYS && result >= -ERESTART_RESTARTBLOCK));
}

/* epoll_wait() is not restarted by the kernel, whatever the stop's reason. One without a time limit can be,
 * on the kernel's usual terms: unless a handler runs. */
static int waits_for_ever(const struct user_regs_struct *regs)
{
	return (long)regs->rax == -EINTR && (int)regs->r10 < 0 &&
	       (regs->orig_rax == SYS_epoll_wait || regs->orig_rax == SYS_epoll_pwait);
}

/* In a stop of PTRACE_INTERRUPT: the call, with everything as it was afterwards. -EAGAIN: not here.
 * `began`: thread_ns() when the stop was asked for. */
static int stopped(pid_t pid, const struct call *call, long *result, uint64_t began, uint64_t *spent_ns)
{
	static uint64_t code;
	const uint64_t all = ~0ull;
	struct user_regs_struct regs;
	uint64_t mask;
	int error = registers(PTRACE_GETREGSET, pid, &regs);

	if (error)
		return error;
	/* Had it been waiting, it ran for the stop only; else what it did until then is its own affair. */
	if (!was_waiting(&regs))
		began = thread_ns(pid);
	if ((long)regs.orig_rax < 0 && in_sequence(pid))
		return -EAGAIN;
	/* The process may be another program meanwhile. */
	if (!code || !is_syscall(pid, code))
		code = find_syscall(pid);
	if (!code)
		return -ENOEXEC;
	if (ptrace(PTRACE_GETSIGMASK, pid, sizeof(mask), &mask) ||
	    ptrace(PTRACE_SETSIGMASK, pid, sizeof(all), &all))
		return -ESRCH;
	do
		error = run(pid, regs, code, call, result);
	while (!error && *result <= -ERESTARTSYS && *result >= -ERESTART_RESTARTBLOCK); /* SIGSTOP */
	if (waits_for_ever(&regs))
		regs.rax = (uint64_t)-ERESTARTNOHAND;
	if (error || registers(PTRACE_SETREGSET, pid, &regs) ||
	    ptrace(PTRACE_SETSIGMASK, pid, sizeof(mask), &mask))
		return -ESRCH;
	*spent_ns += thread_ns(pid) - began;
	return 0;
}

/* Of a thread that has ended, whose process is still to be reaped, ptrace says EPERM. */
static int has_ended(pid_t pid)
{
	char path[64], text[512] = "";
	const char *name_end;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	file = fopen(path, "re");
	if (!file)
		return 1;
	name_end = fgets(text, sizeof(text), file) ? strrchr(text, ')') : NULL;
	fclose(file);
	return name_end && strchr("ZX", name_end[2]);
}

int inject(pid_t pid, const struct call *call, long *result, uint64_t *spent_ns)
{
	for (int tries = 0; tries < TRIES; tries++) {
		uint64_t began;
		int error;

		if (ptrace(PTRACE_SEIZE, pid, 0, PTRACE_O_TRACESYSGOOD)) {
			error = errno == EPERM && has_ended(pid) ? -ESRCH : -errno;
			if (error != -EPERM || tries == TRIES - 1)
				return error;
			usleep(1000); /* another scanner traces it for a moment, perhaps */
			continue;
		}
		began = thread_ns(pid);
		if (ptrace(PTRACE_INTERRUPT, pid, 0, 0))
			return -ESRCH;
		error = to_interrupt(pid, STOP_SECONDS);
		if (error)
			return error;
		error = stopped(pid, call, result, began, spent_ns);
		ptrace(PTRACE_DETACH, pid, 0, 0);
		if (error != -EAGAIN)
			return error;
		usleep(100);
	}
	return -EBUSY;
}

#else

int inject(pid_t pid, const struct call *call, long *result, uint64_t *spent_ns)
{
	(void)pid, (void)call, (void)result, (void)spent_ns;
	return -ENOSYS;
}

#endif
