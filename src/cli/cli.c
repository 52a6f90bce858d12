#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/memory.h"
#include "cli/actions.h"
#include "cli/version.h"

enum { HELP_BYTES_MAX = 1024 * 1024 };

static int print_buffer(struct buffer *text)
{
    struct slice bytes = buffer_slice(text);
    fwrite(bytes.data, 1, bytes.len, stdout);
    buffer_done(text);
    return 0;
}

int action_version(struct cli *cli)
{
    (void)cli;
    printf("homerun %s\n", HOMERUN_VERSION);
    return 0;
}

int action_completion(struct cli *cli)
{
    struct buffer text = BUFFER_INIT(HELP_BYTES_MAX);
    if (!help_completion(&text, cli->in.arguments[0])) {
        buffer_done(&text);
        return cli_refuse_with("no completion for \"%s\": there are bash, zsh and man",
                               cli->in.arguments[0]);
    }
    return print_buffer(&text);
}

/* Prints the help of all commands, of those that share a first word, or of one. */
int action_help(struct cli *cli)
{
    struct buffer text = BUFFER_INIT(HELP_BYTES_MAX);
    const char *wanted = "";
    for (unsigned i = 0; i < cli->in.argument_count; i++) {
        wanted =
            arena_printf(&cli->arena, "%s%s%s", wanted, i > 0 ? " " : "", cli->in.arguments[i]);
    }
    if (wanted[0] == '\0') {
        help_overview(&text);
        return print_buffer(&text);
    }
    if (command_group(wanted)) {
        help_group(&text, wanted);
        return print_buffer(&text);
    }
    for (const struct command *command = commands; command->name != NULL; command++) {
        if (strcmp(command->name, wanted) == 0) {
            help_command(&text, command);
            return print_buffer(&text);
        }
    }
    return cli_refuse_with("there is no command `homerun %s` (`homerun help` lists them)", wanted);
}

static bool is_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

/* The words of the command: as typed, or those that "--help" and "--version" stand for. */
static char *const *typed(int argc, char **argv, int *count)
{
    static char version[] = "version", help[] = "help";
    static char *words[] = {help, NULL, NULL};
    *count = 1;
    if (argc > 1 && strcmp(argv[1], "--version") == 0) {
        words[0] = version;
    } else if (argc == 3 && is_help(argv[2]) && command_group(argv[1])) {
        words[1] = argv[1];
        *count = 2;
    } else if (argc > 1 && !is_help(argv[1])) {
        *count = argc - 1;
        return argv + 1;
    }
    return words;
}

static int run(struct cli *cli)
{
    if (cli->in.wants_help) {
        struct buffer text = BUFFER_INIT(HELP_BYTES_MAX);
        help_command(&text, cli->in.command);
        return print_buffer(&text);
    }
    int status = cli->in.command->run(cli);
    if (fflush(stdout) != 0 && status == 0) {
        return cli_fail_with("the output could not be written");
    }
    return status;
}

int cli_main(int argc, char **argv)
{
    struct cli *cli = mem_new(struct cli); /* a few pages: not for the stack */
    struct error err = {0};
    int count;
    char *const *words = typed(argc, argv, &count);
    cli->terminal = isatty(STDOUT_FILENO) == 1;
    cli->colour = cli->terminal && getenv("NO_COLOR") == NULL;
    int status = 2;
    if (invocation_parse(&cli->in, count, words, &err)) {
        status = run(cli);
    } else {
        cli_fail(&err);
    }
    json_decref(cli->ready);
    arena_done(&cli->arena);
    free(cli);
    return status;
}
