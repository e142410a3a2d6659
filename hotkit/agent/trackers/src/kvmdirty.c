/*
 * The scan mode kvm-dirty, and kvm-log-on at the end: which pages a VM has written, from KVM's dirty log; for any process with a VM.
 * How KVM learns of a write (PML, write protection) is its own affair.
 *
 * KVM takes a VM's ioctls from its own process only (EIO to others, even with the descriptor), so they are
 * made there, see remote.c. What the guest does in system management mode (address space 1) is not seen.
 *
 * Documentation/virt/kvm/api.rst: KVM_GET_DIRTY_LOG returns the pages written. Then either it has cleared the
 * log itself, and KVM_CLEAR_DIRTY_LOG would lose what was written meanwhile; or the VMM has enabled
 * KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2 and only the latter clears. Nothing tells, so we find out:
 *   - all pages are there when the log has just been turned on (KVM_DIRTY_LOG_INITIALLY_SET: QEMU since 5.1
 *     on Linux since 5.7): manual
 *   - asked twice in a row, pages are gone: not manual. Pages that the guest writes all the time never are,
 *     hence several looks decide. Until then the log is cleared, which loses nothing but a second write to a
 *     page that is counted anyway.
 */
#define _GNU_SOURCE
#include "kvm.h"
#include "scan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SURE 16 /* looks in which no page was gone */
#define MANY 64 /* pages that nobody writes in the time between two calls */

static enum { UNKNOWN, GET, MANUAL } protect;

/* Pages of a range that lie in a slot. */
static struct part {
	uint64_t index, first, count; /* in the ranges; in the slot */
	size_t slot;
} *part;
static size_t parts;
static uint64_t outside; /* pages of the ranges that the guest has not as its memory: firmware, devices */

void kvm_tell(void)
{
	static const char *const name[] = { "unknown", "get", "manual" };

	printf(", \"protect\": \"%s\", \"outside\": %llu, \"slots\": [", name[protect],
	       (unsigned long long)outside);
	for (struct slot *s = slot; s < slot + slots; s++)
		printf("%s[%u, %llu, %llu, %llu]", s == slot ? "" : ", ", s->id, (unsigned long long)s->gpa,
		       (unsigned long long)s->bytes, (unsigned long long)s->hva);
	printf("]");
}

static void add_part(struct slot *s, struct range *r, uint64_t index)
{
	uint64_t start = r->start > s->hva ? r->start : s->hva, end = s->hva + s->bytes;

	end = r->end < end ? r->end : end;
	if (start >= end)
		return;
	part = realloc(part, (parts + 1) * sizeof(*part));
	if (!part)
		die("memory for the ranges");
	part[parts++] = (struct part){ index + (start - r->start) / PAGE, (start - s->hva) / PAGE,
				       (end - start) / PAGE, (size_t)(s - slot) };
}

/* Slots without a range in them are left alone. */
static void find_parts(void)
{
	uint64_t inside = 0;
	size_t used = 0;

	for (size_t i = 0; i < slots; i++) {
		const size_t before = parts;
		uint64_t index = 0;

		slot[used] = slot[i];
		for (size_t r = 0; r < ranges; r++) {
			add_part(&slot[used], &range[r], index);
			index += (range[r].end - range[r].start) / PAGE;
		}
		used += parts > before;
	}
	slots = used;
	for (size_t i = 0; i < parts; i++)
		inside += part[i].count;
	if (!inside)
		refuse("nothing of --range lies in one of --slot");
	outside = pages - inside;
}

void kvm_open(long pid, int by_ring)
{
	size_t most = 1;

	kvm_by_ring = by_ring;
	if (!slots)
		refuse("kvm-dirty needs the sections of the guest's memory: --slot");
	find_parts();
	for (struct slot *s = slot; s < slot + slots && !by_ring; s++) {
		s->words = (s->bytes / PAGE + 63) / 64;
		most = s->words > most ? s->words : most;
		s->dirty = malloc(s->words * 8);
		s->again = malloc(s->words * 8);
		s->ours = malloc(s->words * 8);
		if (!s->dirty || !s->again || !s->ours)
			die("memory for the bitmaps");
	}
	remote_open(pid);
	kvm_find(pid, (most * 8 + PAGE - 1) / PAGE * PAGE);
}

static void get(struct slot *s, uint64_t *bitmap)
{
	const struct kvm_dirty_log log = { .slot = s->id, .dirty_bitmap = (void *)BITMAP };

	long result;

	remote_write(AT(log), &log, sizeof(log));
	result = vm_ioctl(KVM_GET_DIRTY_LOG, AT(log), NULL);
	if (result == -ENOENT)
		refuse("the VM has given up memory that is tracked, or another has turned its log off");
	must(result, "KVM_GET_DIRTY_LOG");
	remote_read(BITMAP, bitmap, s->words * 8);
}

static void clear(struct slot *s, const uint64_t *bitmap)
{
	const struct kvm_clear_dirty_log log = {
		.slot = s->id, .num_pages = (uint32_t)(s->bytes / PAGE), .dirty_bitmap = (void *)BITMAP,
	};

	remote_write(AT(clear), &log, sizeof(log));
	remote_write(BITMAP, bitmap, s->words * 8);
	must(vm_ioctl(KVM_CLEAR_DIRTY_LOG, AT(clear), NULL), "KVM_CLEAR_DIRTY_LOG");
}

/* Asks once more, to learn who clears; `first`: the log has just been turned on. */
static void judge(struct slot *s, int first)
{
	static int same;
	uint64_t gone = 0, count = 0;

	get(s, s->again);
	for (size_t k = 0; k < s->words; k++) {
		gone |= s->dirty[k] & ~s->again[k];
		count += (uint64_t)__builtin_popcountll(s->dirty[k]);
		s->dirty[k] |= s->again[k];
	}
	if (gone)
		protect = GET;
	else if ((first && count >= MANY && count == s->bytes / PAGE) || (count && ++same == SURE))
		protect = MANUAL;
}

/* The pages of one part; what of them is dirty is `ours`. */
static void look_at(const struct part *p, struct slot *s, int asking)
{
	const uint64_t end = p->first + p->count;

	for (uint64_t k = p->first / 64; k * 64 < end; k++) {
		uint64_t word = s->dirty[k];

		if (k * 64 < p->first)
			word &= ~0ull << p->first % 64;
		if (end - k * 64 < 64)
			word &= (1ull << end % 64) - 1;
		s->ours[k] |= word;
		for (; asking && word; word &= word - 1, positive++)
			saw_pages(p->index + k * 64 + (uint64_t)__builtin_ctzll(word) - p->first, 1);
	}
	if (asking)
		examined += p->count;
}

void kvm_look(int unused, int asking)
{
	const struct part *p = part;

	(void)unused;
	for (size_t i = 0; i < slots; i++) {
		struct slot *s = &slot[i];
		int any = 0;

		get(s, s->dirty);
		if (protect == UNKNOWN)
			judge(s, !asking);
		memset(s->ours, 0, s->words * 8);
		for (; p < part + parts && p->slot == i; p++)
			look_at(p, s, asking);
		for (size_t k = 0; k < s->words; k++)
			any |= !!s->ours[k];
		/* Pages outside of the ranges stay in a log that we clear: their writes then cost nothing. */
		if (any && protect != GET)
			clear(s, s->ours);
	}
}

/* The mode kvm-log-on: the log is on, and that is all. Of a VM with a dirty ring, which its VMM collects, the
 * caller listens to what KVM says of each page that it puts there (the tracepoint kvm_dirty_ring_push). */
void kvm_look_away(int unused, int asking)
{
	(void)unused;
	(void)asking;
}

void kvm_close(void)
{
	must(remote_close(), "turning the dirty log off");
}
