/* Trackers in a host over the memory of a VM, and KVM's own log of what its guest wrote. */
#define _GNU_SOURCE
#include "proof.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* arch/x86/kvm/x86.c, virt/kvm/kvm_main.c: sums over all VMs that there are */
#define COUNTERS 4
static const char *const counters[COUNTERS] = {
	"exits", "tlb_flush", "remote_tlb_flush", "remote_tlb_flush_requests",
};
static double before[COUNTERS];

static double counter(const char *name)
{
	char path[64], text[32];

	snprintf(path, sizeof(path), DEBUG "kvm/%s", name);
	return atof(get(path, text, sizeof(text)));
}

void kvm_begin(void)
{
	for (int i = 0; i < COUNTERS; i++)
		before[i] = counter(counters[i]);
}

double kvm_exits(void)
{
	return counter(counters[0]) - before[0];
}

void json_kvm(void)
{
	char key[64];

	json_number("nested", 1);
	for (int i = 0; i < COUNTERS; i++) {
		snprintf(key, sizeof(key), "kvm_%s", counters[i]);
		json_number(key, counter(counters[i]) - before[i]);
	}
}

#define PAGES 32

/* A VM of PAGES pages in this process. The host has written them all, its guest none. */
struct own {
	struct vm vm;
	char *pages;
	uint64_t *turns;
};

static struct own own_make(void)
{
	struct own own = {
		.pages = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
		.turns = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0),
	};

	memset(own.pages, 1, PAGES * PAGE);
	own.vm = vm_make(own.pages, PAGES, own.turns);
	return own;
}

static void own_end(struct own *own)
{
	vm_end(&own->vm);
	munmap(own->pages, PAGES * PAGE);
	munmap(own->turns, PAGE);
}

/* The guest reads all pages and writes some: the log has these, and the page where it counts turns. */
static void dirty_row(const struct vm *vm, int by_hand, int writes)
{
	uint64_t expected[VM_SLOTS] = { [VM_TURNS] = 1 };
	long logged = 0, missing = 0, extra = 0;

	for (int i = 0; i < writes; i++)
		expected[VM_PAGES_SLOT] |= 1ULL << 2 * i;
	vm_turn(vm, PAGES, writes);
	for (int slot = 0; slot < VM_SLOTS; slot++) {
		uint64_t found = vm_written(vm, slot);

		if (by_hand)
			vm_clear(vm, slot, found);
		logged += __builtin_popcountll(found);
		missing += __builtin_popcountll(expected[slot] & ~found);
		extra += __builtin_popcountll(found & ~expected[slot]);
	}
	json_begin("kvm_dirty");
	json_text("cleared", by_hand ? "by hand" : "when read");
	json_number("pages", PAGES);
	json_number("written", writes);
	json_number("logged", logged);
	json_number("missing", missing);
	json_number("extra", extra);
	json_number("nested", 1);
	json_end();
}

static void dirty_rows(int by_hand)
{
	static const int writes[] = { 3, 8, 0 };
	struct own own = own_make();

	if (by_hand)
		vm_clear_by_hand(&own.vm);
	/* As in a VM that has run for a while: KVM has an entry for each page. */
	vm_turn(&own.vm, PAGES, 0);
	vm_log_writes(&own.vm);
	for (size_t i = 0; i < sizeof(writes) / sizeof(*writes); i++)
		dirty_row(&own.vm, by_hand, writes[i]);
	own_end(&own);
}

/* A page that KVM has no entry for gets one that allows writes: is a first read in the log, too? */
static void first_read_row(void)
{
	struct own own = own_make();

	vm_log_writes(&own.vm);
	vm_turn(&own.vm, PAGES, 0);
	json_begin("kvm_first_read");
	json_number("read", PAGES);
	json_number("logged", __builtin_popcountll(vm_written(&own.vm, VM_PAGES_SLOT)));
	json_number("nested", 1);
	json_end();
	own_end(&own);
}

void prove_kvm(void)
{
	static const int modes[] = { 0, 1, 3 };
	int count = present(HOTKIT "damon_mode") ? 3 : 1;

	if (!present("/dev/kvm")) {
		json_begin("no_vm");
		json_text("why", "the kernel has no /dev/kvm: no KVM, or a CPU that cannot run VMs");
		json_end();
		return;
	}
	damon_row(VM_PAGES, 0, 1, 0);
	for (int i = 0; i < count; i++) {
		damon_row(VM_PAGES, 0, 0, modes[i]);
		idle_row(VM_PAGES, 0, modes[i]);
	}
	if (count > 1)
		scan_row(VM_PAGES, 0);
	dirty_rows(0);
	dirty_rows(1);
	first_read_row();
}
