#define _GNU_SOURCE
#include "proof.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int put(const char *path, const char *format, ...)
{
	char text[512];
	va_list words;
	int fd, length, done;

	va_start(words, format);
	length = vsnprintf(text, sizeof(text), format, words);
	va_end(words);
	fd = open(path, O_WRONLY);
	if (fd < 0) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return -1;
	}
	done = write(fd, text, length);
	if (done < 0)
		fprintf(stderr, "%s <- %s: %s\n", path, text, strerror(errno));
	close(fd);
	return done < 0 ? -1 : 0;
}

char *get(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY);
	size_t at = 0;
	ssize_t got;

	text[0] = 0;
	if (fd < 0)
		return text;
	while (at < size - 1 && (got = read(fd, text + at, size - 1 - at)) > 0)
		at += got;
	text[at] = 0;
	close(fd);
	return text;
}

long value_in(const char *text, const char *key)
{
	size_t length = strlen(key);

	for (const char *at = text; at; at = strchr(at, '\n')) {
		at += *at == '\n';
		if (!strncmp(at, key, length) && at[length] == ' ')
			return atol(at + length);
	}
	return -1;
}

long value_of(const char *path, const char *key)
{
	static char text[1 << 16];

	return value_in(get(path, text, sizeof(text)), key);
}

int present(const char *path)
{
	return !access(path, F_OK);
}

double seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec * 1e-9;
}

void sleep_ms(double ms)
{
	struct timespec left = { (time_t)(ms / 1000), (long)(ms * 1e6) % 1000000000L };

	while (nanosleep(&left, &left) && errno == EINTR)
		;
}

void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		die("no CPU %d: %s", cpu, strerror(errno));
}

static int fields;

void json_begin(const char *proof)
{
	fields = 0;
	putchar('{');
	json_text("proof", proof);
}

void json_text(const char *key, const char *value)
{
	printf("%s\"%s\": \"", fields++ ? ", " : "", key);
	for (; *value; value++)
		printf((unsigned char)*value < ' ' || strchr("\"\\", *value) ? "\\u%04x" : "%c", *value);
	putchar('"');
}

void json_number(const char *key, double value)
{
	printf("%s\"%s\": %.15g", fields++ ? ", " : "", key, value);
}

void json_end(void)
{
	puts("}");
	fflush(stdout);
}

void die(const char *format, ...)
{
	char text[512];
	va_list words;

	va_start(words, format);
	vsnprintf(text, sizeof(text), format, words);
	va_end(words);
	json_begin("error");
	json_text("message", text);
	json_end();
	exit(1);
}
