/* What the two files of the mode kvm-dirty share; kvmdirty.c explains. */
#ifndef KVM_H
#define KVM_H

#include "remote.h"

#include <stddef.h>
#include <stdint.h>
#include <linux/kvm.h>

#define SLOTS 64

struct slot {
	uint64_t gpa, bytes, hva;
	uint32_t id;
	size_t words;
	uint64_t *dirty, *again, *ours; /* bitmaps: bit n of word k is page 64 k + n of the slot */
};

extern struct slot slot[SLOTS];
extern size_t slots;

/* Memory of ours in the process: pages with this in it, then a bitmap, then a page that cannot be written. */
struct arguments {
	struct kvm_userspace_memory_region region, removal, off[SLOTS], page[SLOTS], no_page;
	struct kvm_dirty_log log;
	struct kvm_clear_dirty_log clear, check[SLOTS];
};

/* The VM is to be one with a dirty ring, instead of a log. */
extern int kvm_by_ring;

extern uint64_t scratch;
#define AT(field) (scratch + offsetof(struct arguments, field))
#define BITMAP (scratch + ARGUMENTS_BYTES)
#define ARGUMENTS_BYTES (2 * PAGE)

/* An ioctl of the VM, in its process; its result, or a negated errno. */
long vm_ioctl(unsigned long request, uint64_t argument, const struct undo *undo);
/* Finds the VM and its slots, and turns their dirty log on; off again when scan ends. */
void kvm_find(long pid, size_t bitmap_bytes);
/* Dies, when a result is an error. */
void must(long result, const char *what);

#endif
