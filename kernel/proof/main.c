/* init of the machine that proves a kernel: facts go to ttyS1 as JSON lines, then the power off. */
#define _GNU_SOURCE
#include "proof.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

static const char *const scans[] = { "damon", "page_idle", "folio_referenced" };
static const char *const events[] = {
	"samples", "samples_positive", "entries", "entries_young", "secondary", "secondary_young",
	"flush_primary", "flush_secondary", "ns",
};

void counters_begin(void)
{
	if (present(HOTKIT "counters"))
		put(HOTKIT "counters", "0");
}

void json_counters(const char *scan)
{
	static char text[1 << 14];
	char key[64];

	if (!present(HOTKIT "counters"))
		return;
	get(HOTKIT "counters", text, sizeof(text));
	for (size_t i = 0; i < sizeof(events) / sizeof(*events); i++) {
		snprintf(key, sizeof(key), "%s_%s", scan, events[i]);
		json_number(events[i], value_in(text, key));
	}
}

static void build_id(char *text)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char notes[4096];
	int fd = open("/sys/kernel/notes", O_RDONLY);
	ssize_t size = fd < 0 ? 0 : read(fd, notes, sizeof(notes));

	/* Elf notes: name size, description size, type 3 = GNU build id, "GNU\0", description */
	for (ssize_t at = 0; at + 36 <= size; at += 4)
		if (!memcmp(notes + at, "\4\0\0\0\24\0\0\0\3\0\0\0GNU\0", 16)) {
			for (int i = 0; i < 20; i++) {
				*text++ = digits[notes[at + 16 + i] >> 4];
				*text++ = digits[notes[at + 16 + i] & 15];
			}
			break;
		}
	*text = 0;
}

static void about(void)
{
	struct utsname name;
	char id[64], text[256];

	uname(&name);
	build_id(id);
	json_begin("kernel");
	json_text("release", name.release);
	json_text("build_id", id);
	get(HOTKIT "abi", text, sizeof(text));
	text[strcspn(text, "\n")] = 0;
	json_text("abi", text);
	for (size_t i = 0; i < 3; i++) {
		char path[96];

		snprintf(path, sizeof(path), HOTKIT "%s_mode", scans[i]);
		get(path, text, sizeof(text));
		text[strcspn(text, "\n")] = 0;
		json_text(scans[i], text);
	}
	json_end();
}

static void setup(void)
{
	struct termios raw;
	int out;

	mkdir("/proc", 0755);
	mkdir("/sys", 0755);
	mkdir("/dev", 0755);
	mkdir("/cgroup", 0755);
	mount("proc", "/proc", "proc", 0, NULL);
	mount("sysfs", "/sys", "sysfs", 0, NULL);
	mount("dev", "/dev", "devtmpfs", 0, NULL);
	mount("debugfs", "/sys/kernel/debug", "debugfs", 0, NULL);
	mount("tracefs", "/sys/kernel/tracing", "tracefs", 0, NULL);
	mount("cgroup", "/cgroup", "cgroup2", 0, NULL);
	put(CGROUP "cgroup.subtree_control", "+memory");
	/* A host's configuration may have it on: prove_mglru() asks for it where it is the matter. */
	if (present("/sys/kernel/mm/lru_gen/enabled"))
		put("/sys/kernel/mm/lru_gen/enabled", "0");
	out = open("/dev/ttyS1", O_WRONLY);
	if (out >= 0) {
		tcgetattr(out, &raw);
		cfmakeraw(&raw);
		tcsetattr(out, TCSANOW, &raw);
		dup2(out, STDOUT_FILENO);
		close(out);
	}
	pin(0);
}

int main(void)
{
	static void (*const all[])(void) = {
		prove_damon, prove_idle, prove_scan, prove_kswapd, prove_tiers, prove_mglru,
		prove_kvm, prove_witness, NULL,
	};
	static void (*const costs[])(void) = { prove_cost, NULL };
	/* The kernel hands what it does not know itself on its command line to init. */
	void (*const *proofs)(void) = getenv("hotkit_cost") ? costs : all;

	if (getpid() == 1)
		setup();
	about();
	for (; *proofs; proofs++) {
		/* In a process of its own: one that dies leaves the others their turn. */
		pid_t pid = fork();

		if (!pid) {
			(*proofs)();
			_exit(0);
		}
		waitpid(pid, NULL, 0);
	}
	json_begin("end");
	json_end();
	tcdrain(STDOUT_FILENO);
	if (getpid() == 1)
		reboot(RB_POWER_OFF);
	return 0;
}
