/*
 * A vCPU's CPU without the timer's tick.
 *
 * QEMU flushes its TLB at each VM exit, for that loads CR3. A CPU keeps what it has of a guest, by the
 * number of its address space. So under emulation the tick alone, 100 exits a second, shows a scan
 * what it would be blind to. A host would have nohz_full=, which the lab's kernel has not: here the
 * process that runs the vCPU masks the timer of its CPU, and only while something is measured, since
 * RCU and much else waits for that CPU.
 */
#define _GNU_SOURCE
#include "proof.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

/* Intel SDM volume 3, "Local APIC Register Address Map" and "APIC Timer" */
#define APIC 0xfee00000
#define LVT_TIMER (0x320 / 4)
#define INITIAL_COUNT (0x380 / 4)
#define MASKED (1u << 16)
#define SECONDS_AT_MOST 50

static void set_timer(int on)
{
	int fd = open("/dev/mem", O_RDWR | O_SYNC);
	volatile uint32_t *apic = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, APIC);

	close(fd);
	if (apic == MAP_FAILED)
		return;
	apic[LVT_TIMER] = (apic[LVT_TIMER] & ~MASKED) | (on ? 0 : MASKED);
	/* What came due in between is lost, and Linux waits for it before it sets the next. */
	if (on)
		apic[INITIAL_COUNT] = 1;
	munmap((void *)apic, PAGE);
}

static void obey(int number)
{
	set_timer(number != SIGUSR1);
	if (number == SIGTERM)
		_exit(0);
}

void tick_obey(void)
{
	/* Without SA_RESTART: KVM_RUN returns, and is called again. */
	struct sigaction action = { .sa_handler = obey };

	sigaction(SIGUSR1, &action, NULL);
	sigaction(SIGUSR2, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	/* Whoever measures may die, but the CPU must not stay without its timer. */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	/* Once beforehand: later it takes no page that would wait in a batch of this CPU's. */
	raise(SIGUSR1);
	raise(SIGUSR2);
}

/* Whoever measures may also wait for something that only a tick would let run on that CPU. */
static pid_t guard(pid_t pid)
{
	pid_t child = fork();

	if (child)
		return child;
	sleep_ms(SECONDS_AT_MOST * 1000);
	kill(pid, SIGUSR2);
	_exit(0);
}

static pid_t guarding;

void tick_go_on(pid_t pid)
{
	kill(pid, SIGUSR2);
	stop(guarding);
	sleep_ms(20);
}

int tick_stop(pid_t pid)
{
	guarding = guard(pid);
	/* Linux sets the timer up anew when it changes its clock, soon after boot: then once more. */
	for (int tries = 0; tries < 5; tries++) {
		kill(pid, SIGUSR1);
		sleep_ms(20);
		kvm_begin();
		sleep_ms(40);
		if (kvm_exits() == 0)
			return 1;
	}
	tick_go_on(pid);
	json_begin("no_tickless");
	json_text("why", "the tick of its CPU does not come from a timer that can be masked");
	json_end();
	return 0;
}
