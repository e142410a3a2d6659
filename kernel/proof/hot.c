#define _GNU_SOURCE
#include "proof.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct shared {
	volatile uint64_t turns;
	volatile uint64_t address;
};
static struct shared *shared;

const char *memory_name(enum memory memory)
{
	static const char *const names[] = { "4k", "thp", "vm" };

	return names[memory];
}

/* Never returns. The guest has read all pages once: KVM maps the cold ones, too. */
static void touch_as_guest(char *pages, int count, int hot)
{
	struct vm vm = vm_make(pages, count, &shared->turns);

	tick_obey();
	vm_turn(&vm, count, 0);
	shared->address = (uint64_t)pages;
	vm_turn_for_ever(&vm, hot);
}

static void touch_for_ever(enum memory memory, int count, int hot)
{
	uint64_t page = memory == HUGE_PAGES ? HUGE : PAGE;
	size_t bytes = 8 * HUGE;
	char *start = mmap(NULL, bytes + 2 * HUGE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *pages = (char *)(((uint64_t)start + HUGE - 1) & ~(HUGE - 1));

	if (memory == VM_PAGES) {
		mkdir("/cgroup" VM_CGROUP, 0755);
		put("/cgroup" VM_CGROUP "/cgroup.procs", "0");
	}
	madvise(start, bytes + 2 * HUGE, MADV_NOHUGEPAGE);
	if (memory == HUGE_PAGES)
		madvise(pages, bytes, MADV_HUGEPAGE);
	for (int i = 0; i < count; i++)
		memset(pages + i * page, 1, page);
	/* New pages wait in a per-CPU batch before they are on an LRU list: push ours out of it. */
	memset(pages + bytes, 1, HUGE / 4);
	if (memory == VM_PAGES)
		touch_as_guest(pages, count, hot);
	shared->address = (uint64_t)pages;
	for (;;) {
		for (int k = 0; k < 200; k++)
			for (int i = 0; i < hot; i++)
				(void)*(volatile char *)(pages + i * page);
		shared->turns++;
	}
}

pid_t fork_hot(void)
{
	pid_t pid = fork();

	/* The last CPU: number 1, unless the machine has one only (cost.c). */
	if (!pid)
		pin(sysconf(_SC_NPROCESSORS_ONLN) - 1);
	return pid;
}

pid_t spin_beside(void)
{
	pid_t pid = fork_hot();

	if (!pid)
		for (;;)
			;
	return pid;
}

void stop(pid_t pid)
{
	if (!pid)
		return;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

struct hot hot_start(enum memory memory, int beside)
{
	struct hot hot = {
		.page_bytes = memory == HUGE_PAGES ? HUGE : PAGE,
		.pages = memory == HUGE_PAGES ? 4 : 32,
		.hot = memory == HUGE_PAGES ? 1 : 8,
		.tickless = memory == VM_PAGES && !beside,
	};

	if (!shared)
		shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	memset(shared, 0, sizeof(*shared));
	hot.pid = fork_hot();
	if (!hot.pid)
		touch_for_ever(memory, hot.pages, hot.hot);
	while (!shared->address) {
		if (waitpid(hot.pid, NULL, WNOHANG))
			die("the hot program ended before it began");
		sleep_ms(2);
	}
	if (beside && memory != VM_PAGES)
		hot.beside = spin_beside();
	hot.address = shared->address;
	sleep_ms(200);
	return hot;
}

void measure(struct hot *hot)
{
	hot->tickless = hot->tickless && tick_stop(hot->pid);
	kvm_begin();
	counters_begin();
}

void measured(const struct hot *hot)
{
	if (hot->tickless)
		tick_go_on(hot->pid);
}

void hot_stop(struct hot *hot)
{
	stop(hot->pid);
	stop(hot->beside);
}

uint64_t hot_turns(void)
{
	return shared->turns;
}

uint64_t pfn_of(pid_t pid, uint64_t address)
{
	char path[64];
	uint64_t entry = 0;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/pagemap", pid);
	fd = open(path, O_RDONLY);
	if (fd < 0 || pread(fd, &entry, 8, address / PAGE * 8) != 8)
		die("%s cannot be read", path);
	close(fd);
	/* Documentation/admin-guide/mm/pagemap.rst: bits 0-54, bit 63 "present" */
	return entry >> 63 ? entry & ((1ULL << 55) - 1) : 0;
}

int node_of(pid_t pid, uint64_t address)
{
	void *page = (void *)address;
	int status = -1;

	syscall(SYS_move_pages, pid, 1UL, &page, NULL, &status, 0);
	return status;
}
