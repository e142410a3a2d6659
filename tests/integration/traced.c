/* A process in which others make system calls, and which notices when that does it harm (test_remote_calls.py).
 *
 * traced MODE: says "ready"; its main thread does over and over what MODE says, until the end of its stdin,
 * and says {"loops", "wrong", "sent", "handled"}: `wrong` counts results that a process cannot have that is
 * left alone. A second thread sends the first signals (queued, numbered) at odd times, and wakes it up.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { WAIT_MS = 20 };

static volatile int ending, waiting, only_when_waiting;
static volatile long sent, handled, wrong, loops;
static pthread_t first;
static int event, set, pipe_ends[2], own[2];

static void on_signal(int number, siginfo_t *info, void *unused)
{
	(void)number, (void)unused;
	/* None is lost, doubled or overtaken, and each brings what it was sent with. */
	wrong += info->si_value.sival_int != handled || info->si_pid != getpid();
	wrong += only_when_waiting && !waiting;
	handled++;
}

static void send_one(void)
{
	union sigval number = { .sival_int = (int)sent };

	if (pthread_sigqueue(first, SIGRTMIN, number))
		wrong++;
	else
		sent++;
}

static void *disturb(void *unused)
{
	struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };
	uint64_t one = 1;

	(void)unused;
	for (unsigned int turn = 0; poll(&in, 1, 1) == 0; turn++) {
		if (turn % 7 == 0 && turn / 64 % 2) /* half of the time none, so that waits end */
			send_one();
		if (turn % 5 == 0 && write(event, &one, sizeof(one)) != sizeof(one))
			wrong++;
		if (turn % 5 == 0 && write(pipe_ends[1], &turn, sizeof(turn)) != sizeof(turn))
			wrong++;
	}
	ending = 1;
	send_one();
	if (write(event, &one, sizeof(one)) != sizeof(one) || write(pipe_ends[1], "last", 4) != 4)
		wrong++;
	return NULL;
}

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return 1e3 * (double)t.tv_sec + (double)t.tv_nsec / 1e6;
}

/* What a wait for WAIT_MS may end with: its time, or a signal. */
static void check_wait(int interrupted, double began, long handled_before)
{
	if (interrupted)
		wrong += handled == handled_before;
	else
		wrong += now_ms() - began < WAIT_MS;
}

static void one_poll(void)
{
	const long before = handled;
	const double began = now_ms();
	int got = poll(NULL, 0, WAIT_MS);

	wrong += got > 0 || (got < 0 && errno != EINTR);
	check_wait(got < 0, began, before);
}

static void one_ppoll(void)
{
	const struct timespec time = { 0, WAIT_MS * 1000000 };
	const long before = handled;
	const double began = now_ms();
	sigset_t none;
	int got;

	sigemptyset(&none);
	waiting = 1;
	got = ppoll(NULL, 0, &time, &none);
	waiting = 0;
	wrong += got > 0 || (got < 0 && errno != EINTR);
	check_wait(got < 0, began, before);
}

static void one_sleep(void)
{
	struct timespec time = { 0, WAIT_MS * 1000000 };
	const long before = handled;
	const double began = now_ms();
	int got = nanosleep(&time, &time);

	wrong += got < 0 && errno != EINTR;
	check_wait(got < 0, began, before);
}

static void one_futex(void)
{
	const struct timespec time = { 0, WAIT_MS * 1000000 };
	const long before = handled;
	const double began = now_ms();
	static uint32_t word;
	long got = syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, &time, NULL, 0);

	wrong += got == 0 || (errno != ETIMEDOUT && errno != EINTR);
	check_wait(errno == EINTR, began, before);
}

static void one_epoll(void)
{
	struct epoll_event said;
	const long before = handled;
	uint64_t count;
	int got;

	got = epoll_wait(set, &said, 1, -1);
	if (got < 0)
		wrong += errno != EINTR || handled == before;
	else
		wrong += got != 1 || read(event, &count, sizeof(count)) != sizeof(count);
}

/* Its handler has SA_RESTART: no read ends early, and each brings what was written next. */
static void one_read(void)
{
	static unsigned int expected;
	unsigned int turn = 0;
	ssize_t got = read(pipe_ends[0], &turn, sizeof(turn));

	if (got != sizeof(turn))
		wrong++;
	else if (!ending)
		wrong += turn != expected;
	expected += 5;
}

static void one_sigsuspend(void)
{
	const long before = handled;
	sigset_t none;

	sigemptyset(&none);
	waiting = 1;
	wrong += sigsuspend(&none) != -1 || errno != EINTR || handled == before;
	waiting = 0;
}

/* Short calls, one after the other: their results and their memory. */
static void some_calls(void)
{
	char text[8] = "";

	for (int i = 0; i < 1000; i++) {
		wrong += write(own[1], "a tale\n", 8) != 8 || read(own[0], text, 8) != 8;
		wrong += strcmp(text, "a tale\n") != 0 || close(-1) != -1 || errno != EBADF;
	}
}

/* spin(n): counts to n twice, with every register, the carry flag and the red zone in use; returns how many
 * of them are not as they should be. */
long spin(long count);
asm(".text\n"
    "spin: push %rbx\n push %rbp\n push %r12\n push %r13\n push %r14\n push %r15\n"
    "mov %rdi, %rcx\n mov %rdi, %r10\n xor %edi, %edi\n"
    "mov $0x7011111111111111, %rax\n mov %rax, %rbx\n mov %rax, %rdx\n mov %rax, %rsi\n mov %rax, %rbp\n"
    "mov %rax, %r8\n mov %rax, %r9\n mov %rax, %r11\n mov %rax, %r12\n mov %rax, %r13\n mov %rax, %r14\n"
    "mov %rax, %r15\n mov %rax, -8(%rsp)\n mov %rax, -128(%rsp)\n movq %rax, %xmm0\n movq %rax, %xmm15\n"
    "stc\n"
    "1: inc %rdi\n dec %rcx\n jnz 1b\n"
    "setnc %cl\n movzbl %cl, %ecx\n"
    "sub %rdi, %r10\n or %r10, %rcx\n"
    "xor %rax, %rbx\n or %rbx, %rcx\n xor %rax, %rdx\n or %rdx, %rcx\n xor %rax, %rsi\n or %rsi, %rcx\n"
    "xor %rax, %rbp\n or %rbp, %rcx\n xor %rax, %r8\n or %r8, %rcx\n xor %rax, %r9\n or %r9, %rcx\n"
    "xor %rax, %r11\n or %r11, %rcx\n xor %rax, %r12\n or %r12, %rcx\n xor %rax, %r13\n or %r13, %rcx\n"
    "xor %rax, %r14\n or %r14, %rcx\n xor %rax, %r15\n or %r15, %rcx\n"
    "mov -8(%rsp), %rbx\n xor %rax, %rbx\n or %rbx, %rcx\n"
    "mov -128(%rsp), %rbx\n xor %rax, %rbx\n or %rbx, %rcx\n"
    "movq %xmm0, %rbx\n xor %rax, %rbx\n or %rbx, %rcx\n movq %xmm15, %rbx\n xor %rax, %rbx\n or %rbx, %rcx\n"
    "mov $0x7011111111111111, %rbx\n xor %rbx, %rax\n or %rax, %rcx\n"
    "mov %rcx, %rax\n pop %r15\n pop %r14\n pop %r13\n pop %r12\n pop %rbp\n pop %rbx\n ret\n");

static void one_spin(void)
{
	wrong += spin(3000000) != 0;
}

/* In a restartable sequence (rseq(2)) that ends only by being aborted: who interrupts it must let that
 * happen. A loop is an abort. */
static void one_sequence(void)
{
	struct rseq *mine = (struct rseq *)((char *)__builtin_thread_pointer() + __rseq_offset);

	asm goto(".pushsection .data.rel, \"aw\"\n .balign 32\n"
		 "7: .long 0, 0\n .quad 1f, 2f - 1f, 4f\n .popsection\n"
		 "lea 7b(%%rip), %%rax\n mov %%rax, %0\n"
		 "1: cmpl $0, %1\n je 1b\n"
		 "2: jmp 5f\n"
		 ".long 0x53053053\n"
		 "4: jmp %l[aborted]\n"
		 "5:\n"
		 : : "m"(mine->rseq_cs), "m"(ending) : "rax", "memory" : aborted);
aborted:
	return;
}

/* Nothing stops a thread that waits for a child of vfork(2). */
static void one_vfork(void)
{
	pid_t child = vfork();

	if (child == 0) {
		usleep(12000000);
		_exit(0);
	}
	wrong += child < 0 || (waitpid(child, NULL, 0) != child);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*once)(void);
		int masked;
	} mode[] = {
		{ "poll", one_poll, 0 },	{ "ppoll", one_ppoll, 1 }, { "sleep", one_sleep, 0 },
		{ "futex", one_futex, 0 },	{ "epoll", one_epoll, 0 }, { "read", one_read, 0 },
		{ "sigsuspend", one_sigsuspend, 1 }, { "calls", some_calls, 0 },
		{ "spin", one_spin, 0 },	{ "sequence", one_sequence, 0 },
		{ "vfork", one_vfork, 0 },
	};
	struct sigaction action = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART };
	struct epoll_event readable = { .events = EPOLLIN };
	void (*once)(void) = NULL;
	pthread_t second;
	sigset_t signals, now;

	for (size_t i = 0; i < sizeof(mode) / sizeof(*mode); i++)
		if (argc > 1 && !strcmp(argv[1], mode[i].name))
			once = mode[i].once, only_when_waiting = mode[i].masked;
	event = eventfd(0, EFD_CLOEXEC);
	set = epoll_create1(EPOLL_CLOEXEC);
	if (!once || event < 0 || epoll_ctl(set, EPOLL_CTL_ADD, event, &readable) || pipe(pipe_ends) ||
	    pipe(own))
		return 2;
	first = pthread_self();
	sigfillset(&signals);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	if (sigaction(SIGRTMIN, &action, NULL) || pthread_create(&second, NULL, disturb, NULL))
		return 2;
	/* SIGTRAP stays blocked: a tracer that forces one would change that. */
	sigemptyset(&signals);
	sigaddset(&signals, SIGTRAP);
	if (only_when_waiting)
		sigaddset(&signals, SIGRTMIN);
	sigprocmask(SIG_SETMASK, &signals, NULL);
	puts("ready");
	fflush(stdout);
	for (; !ending; loops++)
		once();
	pthread_join(second, NULL);
	sigprocmask(SIG_SETMASK, NULL, &now);
	for (int number = 1; number <= SIGRTMAX; number++)
		wrong += sigismember(&now, number) != sigismember(&signals, number);
	only_when_waiting = 0;
	sigemptyset(&signals);
	sigprocmask(SIG_SETMASK, &signals, NULL); /* what is still queued */
	printf("{\"loops\": %ld, \"wrong\": %ld, \"sent\": %ld, \"handled\": %ld}\n", loops, wrong, sent,
	       handled);
	return 0;
}
