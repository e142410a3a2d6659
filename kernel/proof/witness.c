/*
 * The kernel's own programs on KVM, tools/testing/selftests/kvm, run as a second witness. They are in
 * the initramfs where they could be built (hotkit/host/kernelwitness.py); what they say goes into the
 * line as it is.
 */
#define _GNU_SOURCE
#include "proof.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define FOLDER "/witness/"
/* Under emulation each takes one to four seconds. */
#define SECONDS_AT_MOST 30
/* Of memory; more would only take longer. */
#define BYTES "4M"

/* The thread of the vCPU gets a CPU of its own: both threads spin while they wait for each other. */
static void spread(pid_t pid)
{
	char path[64];
	DIR *folder;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	folder = opendir(path);
	for (struct dirent *entry; folder && (entry = readdir(folder));) {
		int thread = atoi(entry->d_name);
		cpu_set_t set;

		CPU_ZERO(&set);
		CPU_SET(1, &set);
		if (thread && thread != pid)
			sched_setaffinity(thread, sizeof(set), &set);
	}
	if (folder)
		closedir(folder);
}

static void run(const char *name, const char *option, const char *scan)
{
	static const char said[] = "/said";
	static char text[1 << 14];
	char path[64];
	double began = seconds_now();
	int status, late = 0;
	pid_t pid;

	snprintf(path, sizeof(path), FOLDER "%s", name);
	if (!present(path))
		return;
	if (present(HOTKIT "page_idle_mode"))
		put(HOTKIT "page_idle_mode", "0");
	counters_begin();
	pid = fork();
	if (!pid) {
		int file = open(said, O_WRONLY | O_CREAT | O_TRUNC, 0600);

		dup2(file, STDOUT_FILENO);
		dup2(file, STDERR_FILENO);
		/* By its path: it loads itself into its guest. */
		execl(path, path, "-b", BYTES, option, NULL);
		_exit(127);
	}
	while (!waitpid(pid, &status, WNOHANG)) {
		spread(pid);
		sleep_ms(10);
		late = seconds_now() - began > SECONDS_AT_MOST;
		if (late) {
			stop(pid);
			break;
		}
	}
	json_begin("witness");
	json_text("test", name);
	json_text("option", option ? option : "");
	if (late)
		json_text("why", "it did not end within 30 s");
	else
		json_number("status", WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status));
	json_number("seconds", seconds_now() - began);
	json_text("said", get(said, text, sizeof(text)));
	json_number("nested", 1);
	if (scan)
		json_counters(scan);
	json_end();
}

void prove_witness(void)
{
	if (!present("/dev/kvm"))
		return;
	run("access_tracking_perf_test", NULL, "page_idle");
	run("dirty_log_perf_test", NULL, NULL);
	/* With -g the log is cleared when it is read. */
	run("dirty_log_perf_test", "-g", NULL);
}
