/* Shared by the parts of the proof: a small init that holds trackers against a known truth. */
#ifndef PROOF_H
#define PROOF_H

#include <stdint.h>
#include <sys/types.h>

#define PAGE 4096UL
#define HUGE (2UL << 20)
#define DEBUG "/sys/kernel/debug/"
#define TRACING "/sys/kernel/tracing/"
#define HOTKIT DEBUG "hotkit/"
#define CGROUP "/cgroup/"

/* io.c: files of proc, sys and debugfs, and time */
int put(const char *path, const char *format, ...) __attribute__((format(printf, 2, 3)));
char *get(const char *path, char *text, size_t size);
/* The number behind "key " at the start of a line; -1 when there is none. */
long value_in(const char *text, const char *key);
long value_of(const char *path, const char *key);
int present(const char *path);
double seconds_now(void);
void sleep_ms(double ms);
void pin(int cpu);
void die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* One JSON object on a line of stdout: begin, any number of fields, end. */
void json_begin(const char *proof);
void json_text(const char *key, const char *value);
void json_number(const char *key, double value);
void json_end(void);

/* hot.c: a process that touches some of its pages in a tight loop, and no others. With VM_PAGES it
 * has base pages that are a VM's memory, and it is the guest that touches them. */
enum memory { BASE_PAGES, HUGE_PAGES, VM_PAGES };
const char *memory_name(enum memory memory);
struct hot {
	pid_t pid;
	pid_t beside;		/* a second process on the same CPU, or 0; a VM has the tick instead */
	uint64_t address;	/* of page 0 */
	uint64_t page_bytes;
	int pages;
	int hot;		/* pages 0 .. hot - 1 are touched */
	int tickless;		/* no tick on its CPU while something is measured */
};
/* fork(), with the child on the CPU of the hot program; a child that spins there; its end. */
pid_t fork_hot(void);
pid_t spin_beside(void);
void stop(pid_t pid);
struct hot hot_start(enum memory memory, int beside);
/* Between the two the counters count, hotkit's and KVM's. */
void measure(struct hot *hot);
void measured(const struct hot *hot);
void hot_stop(struct hot *hot);
/* Turns of the loop so far: a page was touched between two looks when this moved by 2. */
uint64_t hot_turns(void);
/* The cgroup of a process with VM_PAGES. */
#define VM_CGROUP "/vm"
/* Page frame number by /proc/pid/pagemap, 0 when it is not there. */
uint64_t pfn_of(pid_t pid, uint64_t address);
int node_of(pid_t pid, uint64_t address);

/* The hotkit counters of one scan since counters_begin(). */
void counters_begin(void);
void json_counters(const char *scan);

/* vm.c: a VM that turns over its pages; its log of written pages, a bit for each of at most 64 */
enum vm_slot { VM_PROGRAM, VM_TURNS, VM_PAGES_SLOT, VM_SLOTS };
struct kvm_run;
struct vm {
	int fd;
	int vcpu;
	struct kvm_run *run;
	size_t run_bytes;
	void *memory[VM_SLOTS];
	int pages[VM_SLOTS];
};
/* A VM over `count` pages of this process; its guest counts its turns in the page of `turns`. */
struct vm vm_make(char *pages, int count, volatile uint64_t *turns);
void vm_end(struct vm *vm);
/* The guest reads pages 0, 1, ... and writes 0, 2, ...: so many. */
void vm_turn(const struct vm *vm, int reads, int writes);
void vm_turn_for_ever(const struct vm *vm, int reads);
/* The log is cleared by vm_clear(), not when it is read. */
void vm_clear_by_hand(const struct vm *vm);
void vm_log_writes(const struct vm *vm);
uint64_t vm_written(const struct vm *vm, enum vm_slot slot);
void vm_clear(const struct vm *vm, enum vm_slot slot, uint64_t pages);

/* tick.c: the process of a vCPU obeys; its CPU's timer is stopped and goes on */
void tick_obey(void);
int tick_stop(pid_t pid);	/* whether it is */
void tick_go_on(pid_t pid);

/* kvm.c: KVM's own counters since kvm_begin(), over all VMs */
void kvm_begin(void);
double kvm_exits(void);
void json_kvm(void);

/* One row of a tracker: what it sees of 4K, huge or a VM's pages in a mode. */
void damon_row(enum memory memory, int physical, int beside, int mode);
void idle_row(enum memory memory, int beside, int mode);
void scan_row(enum memory memory, int mode);

void prove_damon(void);
void prove_idle(void);
void prove_scan(void);
void prove_kswapd(void);
void prove_tiers(void);
void prove_mglru(void);
void prove_kvm(void);
void prove_witness(void);
void prove_cost(void);

#endif
