/*
 * hotset keep [-x] -- PROGRAM [ARGUMENT ...]: runs any program so that it never outlives the agent,
 * and so that its memory can still be read when it has ended.
 *
 * -x: nothing of it will be held; then its exit is not stopped either, which would be timed as well.
 *
 * Commands, one byte each on stdin; end of file kills the program and all that it started:
 *   s          stop the program's process group (SIGSTOP)
 *   c          let it go on (SIGCONT); answers `continued {at_ns}`
 *   h PID\n    when that process exits, hold it there, with its memory, until the end
 * Lines on stdout, times in CLOCK_MONOTONIC_RAW ns:
 *   started {pid, at_ns}    or    failed {errno, message}     at_ns: before it is executed
 *   exit {pid, at_ns, status, held}      status as wait(2) has it; of the program or the one held
 * What the program itself prints goes to our stderr.
 *
 * How: the program and its children are traced (ptrace(2)), for two of its options only. EXITKILL
 * kills them all when we die, whatever way that happens; TRACEEXIT stops a process that exits before
 * its memory is given back. Threads are not traced and nothing else stops the program, so it
 * runs at its own speed. Being a subreaper we also find what daemonised itself.
 */
#define _GNU_SOURCE
#include "common.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

/* The kernel's name for it is in a header that fights with glibc's (linux/ptrace.h). */
#define EVENT_STOP 128

static pid_t program, held;
static int dying, told;

static void say_exit(pid_t pid, int status, int is_held)
{
	if (dying || told)
		return;
	told = 1;
	printf("exit {\"pid\": %d, \"at_ns\": %llu, \"status\": %d, \"held\": %s}\n", pid,
	       (unsigned long long)now_ns(CLOCK_MONOTONIC_RAW), status, is_held ? "true" : "false");
	fflush(stdout);
}

/* A traced process stopped: let it go on, or not. */
static void stopped(pid_t pid, int status)
{
	int event = status >> 16, number = WSTOPSIG(status);
	unsigned long code = 0;

	if (event == PTRACE_EVENT_EXIT) {
		ptrace(PTRACE_GETEVENTMSG, pid, 0, &code);
		if (pid == held && !dying) {
			say_exit(pid, (int)code, 1);
			return;
		}
		number = 0;
	} else if (event == EVENT_STOP && number != SIGTRAP && !dying) {
		ptrace(PTRACE_LISTEN, pid, 0, 0); /* stopped by a signal, and stays so */
		return;
	} else if (event) {
		number = 0; /* a fork, or a child of it that is traced from here on */
	}
	ptrace(PTRACE_CONT, pid, 0, number);
}

/* Take every change of state that is there. Returns 0 when no child is left. */
static int reap(void)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, __WALL | WNOHANG)) > 0) {
		if (WIFSTOPPED(status))
			stopped(pid, status);
		else if (pid == held || (pid == program && (!held || kill(held, 0))))
			say_exit(pid, status, 0);
	}
	return !(pid < 0 && errno == ECHILD);
}

/* SIGKILL to every child of ours; those of a child become ours when it is gone. */
static void kill_children(void)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;

	while (proc && (entry = readdir(proc))) {
		char path[64], text[512], *end;
		int pid = atoi(entry->d_name), parent = 0;
		FILE *file;

		if (pid <= 0)
			continue;
		snprintf(path, sizeof(path), "/proc/%d/stat", pid);
		file = fopen(path, "r");
		if (!file)
			continue;
		text[fread(text, 1, sizeof(text) - 1, file)] = 0;
		fclose(file);
		end = strrchr(text, ')'); /* its name may hold anything */
		if (end && sscanf(end + 1, " %*c %d", &parent) == 1 && parent == getpid())
			kill(pid, SIGKILL);
	}
	if (proc)
		closedir(proc);
}

static void end_all(void)
{
	dying = 1;
	if (held)
		ptrace(PTRACE_CONT, held, 0, 0);
	kill(-program, SIGKILL);
	do {
		kill_children();
		usleep(1000);
	} while (reap());
}

static void begin(char **argv, long stop_at_exit)
{
	int go[2], broken[2], failure = 0;
	unsigned long long began;
	char byte = 0;

	if (pipe2(go, O_CLOEXEC) || pipe2(broken, O_CLOEXEC))
		die("pipe");
	program = fork();
	if (program < 0)
		die("fork");
	if (program == 0) {
		int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
		sigset_t none;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		setpgid(0, 0);
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		dup2(null, STDIN_FILENO);
		dup2(STDERR_FILENO, STDOUT_FILENO);
		if (read(go[0], &byte, 1) != 1)
			_exit(127);
		execvp(argv[0], argv);
		failure = errno;
		if (write(broken[1], &failure, sizeof(failure)) < 0)
			_exit(126);
		_exit(127);
	}
	setpgid(program, program);
	if (ptrace(PTRACE_SEIZE, program, 0,
		   PTRACE_O_EXITKILL | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | stop_at_exit)) {
		int why = errno;

		end_all();
		errno = why;
		die("keep: the program cannot be traced (ptrace)");
	}
	close(go[0]);
	close(broken[1]);
	/* Not when it is known to run: on a busy machine we hear of that when it is half done. */
	began = now_ns(CLOCK_MONOTONIC_RAW);
	if (write(go[1], &byte, 1) != 1)
		die("pipe");
	close(go[1]);
	if (read(broken[0], &failure, sizeof(failure)) == sizeof(failure)) {
		printf("failed {\"errno\": %d, \"message\": \"%s\"}\n", failure, strerror(failure));
		fflush(stdout);
		end_all();
		exit(1);
	}
	close(broken[0]);
	printf("started {\"pid\": %d, \"at_ns\": %llu}\n", program, began);
	fflush(stdout);
}

static void obey(char command)
{
	static char digits[16];
	static size_t length;
	static int reading;

	if (reading && command == '\n') {
		held = (pid_t)atoi(digits);
		reading = 0;
	} else if (reading && length < sizeof(digits) - 1) {
		digits[length++] = command;
		digits[length] = 0;
	} else if (command == 'h') {
		reading = 1;
		length = 0;
	} else if (command == 's') {
		kill(-program, SIGSTOP);
	} else if (command == 'c') {
		/* First the signal: who reads the line may take our CPU. */
		unsigned long long at = now_ns(CLOCK_MONOTONIC_RAW);

		kill(-program, SIGCONT);
		printf("continued {\"at_ns\": %llu}\n", at);
		fflush(stdout);
	}
}

int keep_main(int argc, char **argv)
{
	struct pollfd wait[2] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.events = POLLIN}};
	struct signalfd_siginfo unread;
	sigset_t mine;
	int unheld = argc > 1 && !strcmp(argv[1], "-x");

	errno = 0;
	argc -= unheld;
	argv += unheld;
	if (argc < 3 || strcmp(argv[1], "--"))
		die("keep takes -- and a program with its arguments");
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	signal(SIGPIPE, SIG_IGN); /* nobody listens: stdin says so too */
	sigemptyset(&mine);
	for (int i = 0; i < 4; i++)
		sigaddset(&mine, (int[]){SIGCHLD, SIGTERM, SIGINT, SIGHUP}[i]);
	sigprocmask(SIG_BLOCK, &mine, NULL);
	wait[1].fd = signalfd(-1, &mine, SFD_CLOEXEC | SFD_NONBLOCK);
	begin(argv + 2, unheld ? 0 : PTRACE_O_TRACEEXIT);
	for (;;) {
		char command;

		if (poll(wait, 2, -1) < 0 && errno != EINTR)
			break;
		while (read(wait[1].fd, &unread, sizeof(unread)) == sizeof(unread))
			if (unread.ssi_signo != SIGCHLD) {
				end_all();
				return 1;
			}
		reap();
		if (wait[0].revents) {
			if (read(STDIN_FILENO, &command, 1) != 1)
				break;
			obey(command);
		}
	}
	end_all();
	return 0;
}
