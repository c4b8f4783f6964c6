/* The yardstick of sending: a libcurl multi loop with nothing before or behind it. One thread posts the lines of a file
 * in turn, so many at once, and prints what it took: `{"requests":...,"seconds":...,"cpu_seconds":...,"rss_kb":...}`.
 */
#include <curl/curl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

struct bodies {
    char **lines;
    size_t *lens;
    size_t count;
};

static void die(const char *what)
{
    (void)fprintf(stderr, "bare_curl: %s\n", what);
    exit(1);
}

static double now_s(clockid_t clock)
{
    struct timespec now;

    (void)clock_gettime(clock, &now); /* both clocks are always there */
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void read_bodies(const char *path, struct bodies *bodies)
{
    FILE *file = fopen(path, "r");
    size_t room = 0, cap = 0;
    char *line = NULL;
    ssize_t len;

    if (!file)
        die("cannot read the file of bodies");
    while ((len = getline(&line, &room, file)) > 0) {
        if (bodies->count == cap) {
            cap = cap ? 2 * cap : 1024;
            bodies->lines = realloc(bodies->lines, cap * sizeof(*bodies->lines));
            bodies->lens = realloc(bodies->lens, cap * sizeof(*bodies->lens));
            if (!bodies->lines || !bodies->lens)
                die("out of memory");
        }
        bodies->lens[bodies->count] = (size_t)len - (line[len - 1] == '\n');
        bodies->lines[bodies->count++] = line;
        line = NULL;
        room = 0;
    }
    free(line);
    (void)fclose(file); /* it was only read */
    if (bodies->count == 0)
        die("the file of bodies is empty");
}

static size_t drop(char *data, size_t size, size_t count, void *user)
{
    (void)data;
    (void)user;
    return size * count;
}

static CURL *open_easy(const char *url, const char *ca_file, struct curl_slist *headers)
{
    CURL *easy = curl_easy_init();

    if (!easy || curl_easy_setopt(easy, CURLOPT_URL, url) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_POST, 1L) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, drop) != CURLE_OK ||
        (ca_file && curl_easy_setopt(easy, CURLOPT_CAINFO, ca_file) != CURLE_OK))
        die("libcurl cannot be set up");
    return easy;
}

static void start(CURLM *multi, CURL *easy, const struct bodies *bodies, size_t number)
{
    size_t line = number % bodies->count;

    if (curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)bodies->lens[line]) != CURLE_OK ||
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, bodies->lines[line]) != CURLE_OK ||
        curl_multi_add_handle(multi, easy) != CURLM_OK)
        die("libcurl does not take a request");
}

/* Whether a message of libcurl's is a request that was answered as it should be. */
static void check(const CURLMsg *message)
{
    long status = 0;

    (void)curl_easy_getinfo(message->easy_handle, CURLINFO_RESPONSE_CODE, &status); /* leaves 0 when there is none */
    if (message->data.result != CURLE_OK || status / 100 != 2) {
        (void)fprintf(stderr, "bare_curl: status %ld: %s\n", status, curl_easy_strerror(message->data.result));
        exit(1);
    }
}

static void run(CURLM *multi, const struct bodies *bodies, size_t started, size_t total)
{
    size_t done = 0;
    CURLMsg *message;
    int running, left;

    while (done < total) {
        if (curl_multi_perform(multi, &running) != CURLM_OK)
            die("libcurl gives up");
        while ((message = curl_multi_info_read(multi, &left)) != NULL) {
            CURL *easy = message->easy_handle;

            check(message);
            done++;
            (void)curl_multi_remove_handle(multi, easy); /* it is in there */
            if (started < total)
                start(multi, easy, bodies, started++);
        }
        if (done < total)
            (void)curl_multi_poll(multi, NULL, 0, 1000, NULL); /* an error shows in the next perform */
    }
}

int main(int argc, char **argv)
{
    struct curl_slist *headers = NULL;
    static struct bodies bodies; /* kept until the end */
    struct rusage usage;
    CURLM *multi;
    size_t total, at_once;
    double begun, cpu_begun;
    char authorization[4096];

    if (argc < 6)
        die("usage: bare_curl URL FILE TOKEN REQUESTS AT_ONCE [CA_FILE]");
    read_bodies(argv[2], &bodies);
    total = strtoul(argv[4], NULL, 10);
    at_once = strtoul(argv[5], NULL, 10);
    (void)snprintf(authorization, sizeof(authorization), "Authorization: Bearer %s", argv[3]);
    if (total < at_once || at_once == 0)
        die("there must be at least as many requests as go at once");
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK || !(multi = curl_multi_init()))
        die("libcurl cannot be initialised");
    headers = curl_slist_append(headers, "Content-Type: application/json");
    headers = curl_slist_append(headers, "Accept: application/json");
    headers = curl_slist_append(headers, "Expect:");
    headers = curl_slist_append(headers, authorization);
    (void)curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long)at_once); /* fewer only make it slower */
    begun = now_s(CLOCK_MONOTONIC);
    cpu_begun = now_s(CLOCK_PROCESS_CPUTIME_ID);
    for (size_t i = 0; i < at_once; i++)
        start(multi, open_easy(argv[1], argc > 6 ? argv[6] : NULL, headers), &bodies, i);
    run(multi, &bodies, at_once, total);
    (void)getrusage(RUSAGE_SELF, &usage); /* cannot fail for ourselves */
    (void)printf("{\"requests\":%zu,\"seconds\":%.6f,\"cpu_seconds\":%.6f,\"rss_kb\":%ld}\n", total,
                 now_s(CLOCK_MONOTONIC) - begun, now_s(CLOCK_PROCESS_CPUTIME_ID) - cpu_begun, usage.ru_maxrss);
    return 0;
}
