/* A VM in one small process, whose guest reads and writes the pages that it is told (test_kvm_dirty.py).
 *
 * minivm PAGES [WORD...]: two slots of PAGES pages each, and one for the guest's program, which are none of
 * its first ids. Its main thread waits in poll() as QEMU's does, its second one runs the only vCPU. Says
 * {"slots": [[gpa, bytes, hva], ...], "vm": FD}. Then a line each on stdin, answered by one:
 *   write GPA STEP COUNT, read GPA STEP COUNT  what each pass does from now on (STEP in pages); "done" when
 *                   one whole pass has done it
 *   once GPA STEP COUNT  the same as write, in one pass only
 *   log             errno of KVM_GET_DIRTY_LOG for each slot (0: its log is on)
 *   dirty           how many pages the log of each slot of memory has (and clears them, as KVM does)
 *   slots           whether the VM (and the other) has the slots that it was given, and no other
 *   drop            gives up the second slot, which the guest must not use
 *   state           {"passes", "polls", "wrong", "collected"}: passes of the guest; what poll() may not
 *                   return; pages found in the dirty ring
 * At end of file it exits. Words:
 *   manual, initially-set  enable KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2
 *   ring            uses KVM's dirty ring, which it collects and resets every 100 ms
 *   logged          has the log of its slots on by itself
 *   alias           the first slot's memory is at a second place, too, under a lower id
 *   two-vms         makes another VM first, with one slot at the same place
 *   filter          has a seccomp filter (which allows everything)
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/kvm.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096, WAIT_MS = 10, PROGRAM = 0x1000, ORDERS = 0x2000 };
enum { RING_BYTES = 1 << 16, COLLECT_US = 100000 };
enum { FIRST = 0x10000000, SECOND = 0x40000000, ALIAS = 0x60000000 };

/* Flat 32-bit code without paging. What it reads of its orders, and its own code, it does not write. */
asm(".pushsection .rodata\n.global guest, guest_end\nguest:\n.code32\n"
    "mov 0x2000, %ebx\n mov 0x2004, %edx\n mov 0x2008, %ecx\n"
    "1: jecxz 2f\n incl (%ebx)\n add %edx, %ebx\n dec %ecx\n jmp 1b\n"
    "2: mov 0x200c, %ebx\n mov 0x2010, %edx\n mov 0x2014, %ecx\n"
    "3: jecxz 4f\n mov (%ebx), %eax\n add %edx, %ebx\n dec %ecx\n jmp 3b\n"
    "4: out %al, $0x10\n jmp guest\n"
    ".code64\nguest_end:\n.popsection\n");
extern const char guest[], guest_end[];

static struct kvm_userspace_memory_region slot[4];
static int slots, kvm, vm, other = -1, vcpu, only_once;
static struct kvm_run *run;
static uint32_t *orders, next_orders[6];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static volatile long passes, polls, wrong, collected;
static struct kvm_dirty_gfn *ring;

static int try(int result, const char *what)
{
	if (result < 0) {
		perror(what);
		_exit(3);
	}
	return result;
}

static void add_slot(uint32_t id, uint64_t gpa, uint64_t bytes, uint64_t hva, uint32_t flags)
{
	struct kvm_userspace_memory_region *s = &slot[slots++];
	void *mapped = (void *)hva;

	if (!hva) {
		mapped = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		try(mapped == MAP_FAILED ? -1 : madvise(mapped, bytes, MADV_NOHUGEPAGE), "mmap");
		memset(mapped, 0, bytes);
	}
	*s = (struct kvm_userspace_memory_region){ id, flags, gpa, bytes, (uint64_t)mapped };
	try(ioctl(vm, KVM_SET_USER_MEMORY_REGION, s), "KVM_SET_USER_MEMORY_REGION");
}

static void drop_slot(struct kvm_userspace_memory_region *s)
{
	s->memory_size = 0;
	try(ioctl(vm, KVM_SET_USER_MEMORY_REGION, s), "KVM_SET_USER_MEMORY_REGION");
	slots--; /* it is the last */
}

static void make_vcpu(void)
{
	struct kvm_segment code = { .limit = ~0u, .selector = 8, .present = 1, .type = 11, .db = 1,
				    .s = 1, .g = 1 };
	struct kvm_regs regs = { .rip = PROGRAM, .rflags = 2 };
	struct kvm_segment data = code;
	struct kvm_sregs sregs;

	vcpu = try(ioctl(vm, KVM_CREATE_VCPU, 0), "KVM_CREATE_VCPU");
	run = mmap(NULL, (size_t)ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), PROT_READ | PROT_WRITE,
		   MAP_SHARED, vcpu, 0);
	try(run == MAP_FAILED ? -1 : ioctl(vcpu, KVM_GET_SREGS, &sregs), "KVM_GET_SREGS");
	data.type = 3;
	data.selector = 16;
	sregs.cs = code;
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = data;
	sregs.cr0 |= 1;
	try(ioctl(vcpu, KVM_SET_SREGS, &sregs), "KVM_SET_SREGS");
	try(ioctl(vcpu, KVM_SET_REGS, &regs), "KVM_SET_REGS");
}

static void *run_vcpu(void *unused)
{
	(void)unused;
	for (;;) {
		try(ioctl(vcpu, KVM_RUN, 0), "KVM_RUN");
		if (run->exit_reason == KVM_EXIT_DIRTY_RING_FULL) {
			usleep(1000);
			continue;
		}
		if (run->exit_reason != KVM_EXIT_IO) {
			fprintf(stderr, "minivm: exit %u\n", run->exit_reason);
			_exit(3);
		}
		pthread_mutex_lock(&lock);
		passes++;
		memcpy(orders, next_orders, sizeof(next_orders));
		if (only_once)
			only_once = next_orders[2] = 0;
		pthread_mutex_unlock(&lock);
		usleep(500);
	}
	return unused;
}

/* What QEMU's reaper does with the ring of its vCPU. */
static void *collect(void *unused)
{
	for (size_t next = 0;; usleep(COLLECT_US)) {
		const size_t entries = RING_BYTES / sizeof(*ring);

		while (__atomic_load_n(&ring[next % entries].flags, __ATOMIC_ACQUIRE) == KVM_DIRTY_GFN_F_DIRTY) {
			__atomic_store_n(&ring[next++ % entries].flags, KVM_DIRTY_GFN_F_RESET, __ATOMIC_RELEASE);
			collected++;
		}
		try(ioctl(vm, KVM_RESET_DIRTY_RINGS, 0), "KVM_RESET_DIRTY_RINGS");
	}
	return unused;
}

static void say_log(void)
{
	static uint64_t bitmap[1 << 16];

	for (int i = 0; i < slots; i++) {
		struct kvm_dirty_log log = { .slot = slot[i].slot, .dirty_bitmap = bitmap };

		printf("%s%d", i ? ", " : "[", ioctl(vm, KVM_GET_DIRTY_LOG, &log) ? errno : 0);
	}
	printf("]\n");
}

static long dirty_pages(const struct kvm_userspace_memory_region *s)
{
	static uint64_t bitmap[1 << 16];
	struct kvm_dirty_log log = { .slot = s->slot, .dirty_bitmap = bitmap };
	long count = 0;

	memset(bitmap, 0, sizeof(bitmap));
	try(ioctl(vm, KVM_GET_DIRTY_LOG, &log), "KVM_GET_DIRTY_LOG");
	for (size_t k = 0; k < sizeof(bitmap) / sizeof(*bitmap); k++)
		count += __builtin_popcountll(bitmap[k]);
	return count;
}

/* A slot of our own fits into every gap, and is in the way of every slot. */
static int fits(int into, uint64_t gpa, uint64_t bytes)
{
	struct kvm_userspace_memory_region s = { 400, 0, gpa, bytes, slot[0].userspace_addr };

	if (ioctl(into, KVM_SET_USER_MEMORY_REGION, &s))
		return 0;
	s.memory_size = 0;
	try(ioctl(into, KVM_SET_USER_MEMORY_REGION, &s), "removing a slot");
	return 1;
}

static int all_slots_are_there(void)
{
	uint64_t end = 0;

	for (int i = 0; i < slots; i++) { /* they are sorted */
		uint64_t gpa = slot[i].guest_phys_addr, bytes = slot[i].memory_size;

		if (fits(vm, gpa, PAGE) || fits(vm, gpa + bytes - PAGE, PAGE))
			return 0;
		if (gpa > end && !fits(vm, end, gpa - end))
			return 0;
		end = gpa + bytes;
	}
	return fits(vm, end, 1ull << 33) && (other < 0 || fits(other, SECOND, slot[2].memory_size));
}

static long order(const char *line)
{
	unsigned int gpa, step, count;
	uint32_t *to = next_orders;
	int once = 0;
	long due;

	if (sscanf(line, "read %u %u %u", &gpa, &step, &count) == 3)
		to += 3;
	else if (sscanf(line, "once %u %u %u", &gpa, &step, &count) == 3)
		once = 1;
	else if (sscanf(line, "write %u %u %u", &gpa, &step, &count) != 3)
		try(-1, line);
	pthread_mutex_lock(&lock);
	only_once = once;
	to[0] = gpa, to[1] = step * PAGE, to[2] = count;
	due = passes + 2; /* the first that ends may have begun before */
	pthread_mutex_unlock(&lock);
	return due;
}

static void obey(void)
{
	struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };
	long due = 0;
	char line[100];

	for (;; polls++) {
		struct timespec began, ended;
		int said;

		clock_gettime(CLOCK_MONOTONIC, &began);
		said = poll(&in, 1, WAIT_MS);
		clock_gettime(CLOCK_MONOTONIC, &ended);
		wrong += said < 0 || (said > 0 && !in.revents);
		wrong += said == 0 && (ended.tv_sec - began.tv_sec) * 1000000000 + ended.tv_nsec -
						      began.tv_nsec < WAIT_MS * 1000000;
		if (due && passes >= due)
			due = 0, printf("done\n");
		if (said > 0) {
			if (!fgets(line, sizeof(line), stdin))
				return;
			if (!strcmp(line, "log\n"))
				say_log();
			else if (!strcmp(line, "dirty\n"))
				printf("%ld %ld\n", dirty_pages(&slot[1]), dirty_pages(&slot[2]));
			else if (!strcmp(line, "slots\n"))
				printf("%s\n", all_slots_are_there() ? "the same" : "changed");
			else if (!strcmp(line, "drop\n"))
				drop_slot(&slot[2]), printf("dropped\n");
			else if (!strcmp(line, "state\n"))
				printf("{\"passes\": %ld, \"polls\": %ld, \"wrong\": %ld, \"collected\": %ld}\n",
				       passes, polls, wrong, collected);
			else
				due = order(line);
		}
		fflush(stdout);
	}
}

int main(int argc, char **argv)
{
	struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	struct sock_fprog filter = { 1, &allow };
	struct kvm_enable_cap cap = { .cap = KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2 };
	const uint64_t bytes = argc > 1 ? strtoull(argv[1], NULL, 0) * PAGE : PAGE;
	int alias = 0, two = 0, filtered = 0;
	uint32_t flags = 0;
	pthread_t thread;

	for (int i = 2; i < argc; i++) {
		if (!strcmp(argv[i], "manual"))
			cap.args[0] = KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE;
		else if (!strcmp(argv[i], "initially-set"))
			cap.args[0] = KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE | KVM_DIRTY_LOG_INITIALLY_SET;
		else if (!strcmp(argv[i], "ring"))
			cap.cap = KVM_CAP_DIRTY_LOG_RING, cap.args[0] = RING_BYTES;
		else if (!strcmp(argv[i], "logged"))
			flags = KVM_MEM_LOG_DIRTY_PAGES;
		else if (!strcmp(argv[i], "alias"))
			alias = 1;
		else if (!strcmp(argv[i], "two-vms"))
			two = 1;
		else if (!strcmp(argv[i], "filter"))
			filtered = 1;
	}
	kvm = try(open("/dev/kvm", O_RDWR | O_CLOEXEC), "/dev/kvm");
	if (two) {
		vm = other = try(ioctl(kvm, KVM_CREATE_VM, 0), "KVM_CREATE_VM");
		add_slot(0, FIRST, bytes, 0, 0);
		slots = 0;
	}
	vm = try(ioctl(kvm, KVM_CREATE_VM, 0), "KVM_CREATE_VM");
	if (cap.args[0])
		try(ioctl(vm, KVM_ENABLE_CAP, &cap), "KVM_ENABLE_CAP");
	add_slot(5, 0, 4 * PAGE, 0, 0);
	add_slot(9, FIRST, bytes, 0, flags);
	add_slot(3, SECOND, bytes, 0, flags);
	if (alias)
		add_slot(2, ALIAS, bytes, slot[1].userspace_addr, 0);
	memcpy((char *)slot[0].userspace_addr + PROGRAM, guest, (size_t)(guest_end - guest));
	orders = (uint32_t *)(slot[0].userspace_addr + ORDERS);
	make_vcpu();
	if (cap.cap == KVM_CAP_DIRTY_LOG_RING) {
		ring = mmap(NULL, RING_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu,
			    KVM_DIRTY_LOG_PAGE_OFFSET * PAGE);
		try(ring == MAP_FAILED ? -1 : pthread_create(&thread, NULL, collect, NULL), "the ring");
	}
	try(pthread_create(&thread, NULL, run_vcpu, NULL), "pthread_create");
	if (filtered) {
		try(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "PR_SET_NO_NEW_PRIVS");
		try(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter), "PR_SET_SECCOMP");
	}
	printf("{\"vm\": %d, \"slots\": [", vm);
	for (int i = 0; i < slots; i++)
		printf("%s[%llu, %llu, %llu]", i ? ", " : "",
		       (unsigned long long)slot[i].guest_phys_addr,
		       (unsigned long long)slot[i].memory_size,
		       (unsigned long long)slot[i].userspace_addr);
	printf("]}\n");
	fflush(stdout);
	obey();
	return 0;
}
