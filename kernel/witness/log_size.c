/*
 * Linked into the kernel's own KVM programs with --wrap=ioctl: says how many pages each dirty log has
 * that they read, which they do not say themselves.
 */
#include <linux/kvm.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#define SLOTS 64
#define PAGE 4096

int __real_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...);

static uint64_t slot_pages[SLOTS];

/* KVM_SET_USER_MEMORY_REGION2, since Linux 6.8, begins as KVM_SET_USER_MEMORY_REGION does. */
static int sets_a_slot(unsigned long request)
{
#ifdef KVM_SET_USER_MEMORY_REGION2
	if (request == KVM_SET_USER_MEMORY_REGION2)
		return 1;
#endif
	return request == KVM_SET_USER_MEMORY_REGION;
}

int __wrap_ioctl(int fd, unsigned long request, ...)
{
	const struct kvm_userspace_memory_region *slot;
	const struct kvm_dirty_log *log;
	long pages = 0;
	va_list rest;
	void *what;
	int result;

	va_start(rest, request);
	what = va_arg(rest, void *);
	va_end(rest);
	result = __real_ioctl(fd, request, what);
	slot = what;
	log = what;
	if (result == 0 && sets_a_slot(request) && slot->slot < SLOTS)
		slot_pages[slot->slot] = slot->memory_size / PAGE;
	if (result == 0 && request == KVM_GET_DIRTY_LOG && log->slot < SLOTS) {
		const uint64_t *words = log->dirty_bitmap;

		for (uint64_t i = 0; i < (slot_pages[log->slot] + 63) / 64; i++)
			pages += __builtin_popcountll(words[i]);
		printf("Dirty log of slot %u has %ld of %lu pages\n", log->slot, pages,
		       (unsigned long)slot_pages[log->slot]);
	}
	return result;
}
