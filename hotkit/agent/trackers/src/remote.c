/*
 * System calls in another process. A tracer that dies in the middle of one leaves the other process with
 * registers that are not its own, so the calls are not made by the scanner, which its agent may kill at any
 * time, but by a child of it, the keeper. It takes no signals (SIGKILL for itself still does the harm). When
 * the scanner closes the socket between them, or is gone, it ends what it is at, undoes what was to be undone,
 * and ends.
 *
 * Between two calls nobody traces the process. Memory is read and written through /proc/PID/mem: the kernel
 * may have no process_vm_readv(2) (CONFIG_CROSS_MEMORY_ATTACH).
 */
#define _GNU_SOURCE
#include "remote.h"
#include "scan.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define UNDOS 128

enum what { CALL, UNDO_LAST, UNDO_ALL };

struct request {
	enum what what;
	struct call call;
	struct undo undo; /* undo.call.number < 0: none */
};

struct reply {
	long result;
	int error; /* why no call could be made */
	uint64_t cpu_ns;
};

static pid_t process, keeper;
static int memory = -1; /* /proc/PID/mem */
static int line = -1; /* the scanner's end of the socket, then the keeper's */
static uint64_t cpu_ns;

static uint64_t own_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

/* The scanner is placed by the agent, after its start: its keeper runs where it may run. */
static void follow(pid_t scanner)
{
	cpu_set_t cpus;

	if (!sched_getaffinity(scanner, sizeof(cpus), &cpus))
		sched_setaffinity(0, sizeof(cpus), &cpus);
}

/* By killing the keeper, the kernel would kill the other process. */
static void outlive_want_of_memory(void)
{
	int file = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	ssize_t unused = file < 0 ? 0 : write(file, "-1000", 5); /* needs CAP_SYS_RESOURCE */

	(void)unused;
	if (file >= 0)
		close(file);
}

static int undo_one(const struct undo *undo, long *result, uint64_t *injected_ns)
{
	int error = 0;

	*result = 0;
	if (undo->check.number >= 0)
		error = inject(process, &undo->check, result, injected_ns);
	if (!error && undo->hoped && *result >= 0)
		return inject(process, &undo->back, result, injected_ns);
	if (!error && (undo->hoped ? *result == undo->hoped : *result >= 0))
		return inject(process, &undo->call, result, injected_ns);
	*result = 0;
	return error;
}

static void keep(pid_t scanner)
{
	static struct undo undo[UNDOS];
	struct request wanted;
	uint64_t injected_ns = 0;
	size_t undos = 0;

	for (;;) {
		struct reply reply = { 0 };

		if (recv(line, &wanted, sizeof(wanted), 0) != sizeof(wanted))
			wanted.what = UNDO_ALL; /* the scanner is gone */
		follow(scanner);
		if (wanted.what == CALL) {
			reply.error = undos == UNDOS ? -E2BIG : inject(process, &wanted.call,
								       &reply.result, &injected_ns);
			if (wanted.undo.call.argument[0] == RESULT)
				wanted.undo.call.argument[0] = (uint64_t)reply.result;
			if (!reply.error && reply.result >= 0 && wanted.undo.call.number >= 0)
				undo[undos++] = wanted.undo;
		}
		while (wanted.what != CALL && undos && !reply.error) {
			long result;

			reply.error = undo_one(&undo[--undos], &result, &injected_ns);
			if (!reply.error && result < 0 && !reply.result)
				reply.result = result;
			if (wanted.what == UNDO_LAST)
				break;
		}
		reply.cpu_ns = own_ns() + injected_ns;
		send(line, &reply, sizeof(reply), MSG_NOSIGNAL);
		/* Of a thread that does not stop, only the end of its tracer lets go. */
		if (wanted.what == UNDO_ALL || reply.error == -ETIMEDOUT)
			_exit(0);
	}
}

/* A line of /proc/PID/status, as a number. */
static long status_of(long pid, const char *name)
{
	char path[64], text[256];
	size_t length = strlen(name);
	long value = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%ld/status", pid);
	file = fopen(path, "re");
	if (!file)
		die(path);
	while (fgets(text, sizeof(text), file))
		if (!strncmp(text, name, length) && text[length] == ':')
			value = atol(text + length + 1);
	fclose(file);
	return value;
}

/* QEMU's filter (-sandbox) forbids some calls, and none of ours; others allow some, and kill for the rest. */
static int is_qemu(long pid)
{
	char path[64], exe[4096];
	ssize_t length;
	const char *name;

	snprintf(path, sizeof(path), "/proc/%ld/exe", pid);
	length = readlink(path, exe, sizeof(exe) - 1);
	exe[length < 0 ? 0 : length] = 0;
	name = strrchr(exe, '/');
	return name && !strncmp(name + 1, "qemu", 4);
}

static void close_at_exit(void)
{
	remote_close();
}

void remote_open(long pid)
{
	pid_t scanner = getpid();
	sigset_t all;
	char path[64];
	int ends[2];

	errno = EINVAL;
	if (pid <= 0 || pid > INT32_MAX)
		die("--pid");
	process = (pid_t)pid;
	if (status_of(pid, "Seccomp") && !is_qemu(pid))
		refuse("the process has a seccomp filter, which may kill it for a call that is not its own");
	for (int tries = 0; status_of(pid, "TracerPid"); tries++) {
		if (tries == 100)
			refuse("the process is traced by another (a debugger, strace)");
		usleep(1000); /* another scanner's call, perhaps */
	}
	snprintf(path, sizeof(path), "/proc/%ld/mem", pid);
	memory = open_or_die(path, O_RDWR);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
		die("socketpair");
	keeper = fork();
	if (keeper < 0)
		die("fork");
	line = ends[keeper == 0];
	close(ends[keeper != 0]);
	if (keeper) {
		atexit(close_at_exit);
		return;
	}
	setsid(); /* nor is it killed with a process group */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	signal(SIGCHLD, SIG_DFL); /* ignored, it would not be told */
	outlive_want_of_memory();
	keep(scanner);
}

static long ask(const struct request *request)
{
	struct reply reply;

	if (send(line, request, sizeof(*request), MSG_NOSIGNAL) != sizeof(*request) ||
	    recv(line, &reply, sizeof(reply), 0) != sizeof(reply)) {
		close(line);
		line = -1;
		refuse("the process that makes its calls was killed: what it changed is not put back");
	}
	cpu_ns = reply.cpu_ns;
	if (reply.error == -ETIMEDOUT)
		refuse("the process's main thread does not stop: what was changed is not put back");
	errno = -reply.error;
	if (reply.error)
		die("a system call in the process");
	return reply.result;
}

long remote_call(const struct call *call, const struct undo *undo)
{
	static const struct undo none = { .call = NO_CALL, .check = NO_CALL };

	return ask(&(struct request){ CALL, *call, undo ? *undo : none });
}

long remote_undo(void)
{
	return ask(&(struct request){ .what = UNDO_LAST });
}

long remote_close(void)
{
	const struct request request = { .what = UNDO_ALL };
	struct reply reply = { 0 };

	if (line < 0)
		return 0;
	if (send(line, &request, sizeof(request), MSG_NOSIGNAL) == sizeof(request) &&
	    recv(line, &reply, sizeof(reply), 0) == sizeof(reply))
		cpu_ns = reply.cpu_ns;
	close(line);
	line = -1;
	waitpid(keeper, NULL, 0);
	return reply.error ? reply.error : reply.result;
}

static void copied(ssize_t done, size_t bytes, const char *what)
{
	if (done == (ssize_t)bytes)
		return;
	if (done >= 0)
		errno = done ? EFAULT : ESRCH; /* nothing: its memory is gone, and so is it */
	die(what);
}

void remote_read(uint64_t from, void *to, size_t bytes)
{
	copied(pread(memory, to, bytes, (off_t)from), bytes, "reading the process");
}

void remote_write(uint64_t to, const void *from, size_t bytes)
{
	copied(pwrite(memory, from, bytes, (off_t)to), bytes, "writing to the process");
}

uint64_t remote_cpu_ns(void)
{
	return cpu_ns;
}
