/* herald: the command line. This file finds the command, reads its options and says what there is; each command is a
 * file of its own. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/mem.h"
#include "common/nearest.h"
#include "producer/command.h"

#define COMMAND_ROW(name) &command_##name,
static const struct command *const commands[] = {COMMANDS(COMMAND_ROW)};

#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

static void print_overview(FILE *out)
{
    (void)fprintf(out,
                  "Usage: herald COMMAND [OPTION]...\n\n"
                  "Herald sends personalised messages through Genesys Cloud. This program puts them on the list in\n"
                  "Redis and shows what became of them; herald-worker sends them.\n\nCommands:\n");
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        (void)fprintf(out, "  %-18s %s\n", commands[i]->name, commands[i]->summary);
    (void)fprintf(
        out, "\nherald COMMAND --help says more. Exit status: 0 done, 1 failed, 2 wrong use, 3 done in part (rows\n"
             "were refused), 4 Redis or Genesys out of reach.\n");
}

static bool is_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0;
}

/* How many of the arguments are this command's name; 0: it is not this command. */
static int match_name(const struct command *command, int argc, char *const *argv)
{
    const char *rest = command->name;
    int used = 0;

    while (*rest) {
        size_t len = strcspn(rest, " ");

        if (used >= argc || strlen(argv[used]) != len || strncmp(argv[used], rest, len) != 0)
            return 0;
        used++;
        rest += len + (rest[len] == ' ');
    }
    return used;
}

static enum exit_status explain(const struct command *command, const struct option_set *sets)
{
    (void)printf("Usage: herald %s %s\n\n%s.\n%s", command->name, command->usage, command->summary, command->help);
    options_help(stdout, sets, 2);
    return EXIT_DONE;
}

/* A word that nobody asked for is a mistake, such as a file without its flag: never passed over. */
static int check_words(const struct command *command, const struct option_words *words, struct reason *why)
{
    if (words->count <= command->words_max || words->wants_help || words->wants_version)
        return 0;
    reason_set(why, "`%.60s` is one word too many: herald %s %s", words->words[command->words_max], command->name,
               command->usage);
    return ERR_INVALID;
}

static enum exit_status run(const struct command *command, int argc, char *const *argv)
{
    struct settings settings = {.org = NULL};
    void *options = mem_zalloc(1, command->options_size);
    struct option_set sets[] = {
        {"Options", command->rows, command->row_count, options, SETTINGS_HERALD},
        settings_set(&settings, SETTINGS_HERALD),
    };
    struct option_words words;
    struct reason why = {""};
    const struct command_call call = {&settings, options, &words};
    enum exit_status status;

    sets[1].program |= command->programs;
    if (options_load(sets, 2, argc, argv, &words, &why) != 0 || check_words(command, &words, &why) != 0) {
        status = command_fail(ERR_INVALID, &why);
    } else if (words.wants_help) {
        status = explain(command, sets);
    } else if (words.wants_version) {
        (void)printf("herald %s\n", HERALD_VERSION);
        status = EXIT_DONE;
    } else {
        log_init("herald", "error", "logfmt"); /* what a person needs to know, the command says itself */
        status = command->run(&call);
    }
    if (fflush(stdout) != 0 && status == EXIT_DONE)
        status = EXIT_FAILED; /* the result did not reach whoever asked for it */
    options_clear(sets, 2);
    free(options);
    return status;
}

/* The commands of a group such as `campaign`; false: it is no group. */
static bool explain_group(const char *word, FILE *out)
{
    size_t len = strlen(word);
    bool is_group = false;

    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (strncmp(commands[i]->name, word, len) != 0 || commands[i]->name[len] != ' ')
            continue;
        if (!is_group)
            (void)fprintf(out, "Usage: herald %s COMMAND [OPTION]...\n\nCommands:\n", word);
        (void)fprintf(out, "  %-18s %s\n", commands[i]->name, commands[i]->summary);
        is_group = true;
    }
    return is_group;
}

/* As many of the words as a command's name has. */
static struct span join_words(const char *name, int argc, char *const *argv, char out[2 * NEAREST_MAX])
{
    bool is_pair = strchr(name, ' ') && argc > 1;

    (void)snprintf(out, 2 * NEAREST_MAX, "%s%s%s", argv[0], is_pair ? " " : "", is_pair ? argv[1] : "");
    return span_of(out);
}

/* There is no command like these words. */
static void refuse_command(int argc, char *const *argv)
{
    struct nearest nearest = {.name = NULL};
    char words[2 * NEAREST_MAX];

    if (argv[0][0] == '-') {
        (void)fprintf(stderr,
                      "herald: options come after the command: herald COMMAND %.*s ...; "
                      "herald --help shows the commands\n",
                      (int)strcspn(argv[0], "="), argv[0]); /* its value may be a secret */
        return;
    }
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        nearest.word = join_words(commands[i]->name, argc, argv, words);
        nearest_look_at(&nearest, commands[i]->name);
    }
    (void)fprintf(stderr, "herald: there is no command `%.60s%s%.60s`; ", argv[0], argc > 1 ? " " : "",
                  argc > 1 ? argv[1] : "");
    if (nearest.name)
        (void)fprintf(stderr, "did you mean `herald %s`?\n", nearest.name);
    else
        (void)fprintf(stderr, "herald --help shows what there is\n");
}

int main(int argc, char **argv)
{
    (void)signal(SIGPIPE, SIG_IGN); /* a closed pipe is an error of its write */
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        int used = match_name(commands[i], argc - 1, argv + 1);

        if (used > 0)
            return (int)run(commands[i], argc - 1 - used, argv + 1 + used);
    }
    if (argc > 1 && strcmp(argv[1], "--version") == 0) {
        (void)printf("herald %s\n", HERALD_VERSION);
        return EXIT_DONE;
    }
    if (argc > 1 && is_help(argv[1])) {
        print_overview(stdout);
        return EXIT_DONE;
    }
    if (argc == 2 && explain_group(argv[1], stderr))
        return EXIT_USAGE;
    if (argc == 3 && is_help(argv[2]) && explain_group(argv[1], stdout))
        return EXIT_DONE;
    if (argc > 1)
        refuse_command(argc - 1, argv + 1);
    else
        print_overview(stderr);
    return EXIT_USAGE;
}
