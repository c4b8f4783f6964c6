#include "common/process_metrics.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* A whole small file of /proc; false when it cannot be read. */
static bool read_file(const char *path, char *out, size_t size)
{
    FILE *file = fopen(path, "re");
    size_t len = file ? fread(out, 1, size - 1, file) : 0;

    out[len] = '\0';
    if (file)
        (void)fclose(file); /* only read from */
    return len > 0;
}

/* Fields of /proc/self/stat, counted from 1 as proc(5) does; the second may have blanks in it, so it is passed over. */
enum {
    STAT_AFTER_STATE = 4,
    STAT_UTIME = 14,
    STAT_STIME = 15,
    STAT_THREADS = 20,
    STAT_START = 22,
    STAT_VSIZE = 23,
    STAT_RSS = 24,
    STAT_COUNT
};

static bool read_stat(double fields[STAT_COUNT])
{
    char text[1024], *at, *end;

    if (!read_file("/proc/self/stat", text, sizeof(text)) || !(at = strrchr(text, ')')) || strlen(at) < 4)
        return false;
    at += strlen(") S"); /* the state, which is a letter */
    for (int i = STAT_AFTER_STATE; i < STAT_COUNT; i++, at = end) {
        fields[i] = strtod(at, &end);
        if (end == at)
            return false;
    }
    return true;
}

/* When the machine was started, seconds since 1970; 0: not known. */
static double boot_time(void)
{
    static const char key[] = "\nbtime ";
    char text[65536];
    const char *at = read_file("/proc/stat", text, sizeof(text)) ? strstr(text, key) : NULL;

    return at ? strtod(at + sizeof(key) - 1, NULL) : 0;
}

static void set_descriptors(struct metrics_scrape *scrape)
{
    struct rlimit files;
    DIR *folder = opendir("/proc/self/fd");
    double count = -3; /* itself, `.` and `..` */

    if (folder) {
        while (readdir(folder))
            count++;
        (void)closedir(folder); /* only read from */
        metrics_set(scrape, METRIC_PROCESS_FDS, count, 0);
    }
    if (getrlimit(RLIMIT_NOFILE, &files) == 0)
        metrics_set(scrape, METRIC_PROCESS_MAX_FDS, (double)files.rlim_cur, 0);
}

void process_metrics_set(struct metrics_scrape *scrape)
{
    double fields[STAT_COUNT], ticks = (double)sysconf(_SC_CLK_TCK), booted = boot_time();

    set_descriptors(scrape);
    if (!read_stat(fields) || ticks <= 0)
        return;
    metrics_set(scrape, METRIC_PROCESS_CPU, (fields[STAT_UTIME] + fields[STAT_STIME]) / ticks, 0);
    metrics_set(scrape, METRIC_PROCESS_RESIDENT, fields[STAT_RSS] * (double)sysconf(_SC_PAGESIZE), 0);
    metrics_set(scrape, METRIC_PROCESS_VIRTUAL, fields[STAT_VSIZE], 0);
    metrics_set(scrape, METRIC_PROCESS_THREADS, fields[STAT_THREADS], 0);
    if (booted > 0)
        metrics_set(scrape, METRIC_PROCESS_START, booted + fields[STAT_START] / ticks, 0);
}
