#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/actions.h"
#include "cli/terminal.h"
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
        return cli_fail_with("no completion for \"%s\": there are bash, zsh and man",
                             cli->in.arguments[0]);
    }
    return print_buffer(&text);
}

/* The commands whose name starts with the words given. */
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
    size_t count = strlen(wanted);
    unsigned found = 0;
    for (const struct command *command = commands; command->name != NULL; command++) {
        if (strncmp(command->name, wanted, count) == 0 &&
            (command->name[count] == '\0' || command->name[count] == ' ')) {
            buffer_add_text(&text, found++ > 0 ? "\n" : "");
            help_command(&text, command);
        }
    }
    if (found == 0) {
        buffer_done(&text);
        return cli_fail_with("there is no command \"%s\" (`homerun help` lists them)", wanted);
    }
    return print_buffer(&text);
}

static bool wants_overview(int argc, char **argv)
{
    return argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0;
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
    struct cli *cli = calloc(1, sizeof(*cli)); /* a few pages: not for the stack */
    struct error err = {0};
    char version[] = "version", help[] = "help";
    char *alone[] = {argc > 1 && strcmp(argv[1], "--version") == 0 ? version : help, NULL};
    if (cli == NULL) {
        return 1;
    }
    cli->terminal = isatty(STDOUT_FILENO) == 1;
    cli->colour = cli->terminal && getenv("NO_COLOR") == NULL;
    bool simple = wants_overview(argc, argv) || strcmp(alone[0], version) == 0;
    bool good = simple ? invocation_parse(&cli->in, 1, alone, &err)
                       : invocation_parse(&cli->in, argc - 1, argv + 1, &err);
    int status = 2;
    if (good) {
        status = run(cli);
    } else {
        cli_fail(&err);
    }
    json_decref(cli->ready);
    arena_done(&cli->arena);
    free(cli);
    return status;
}
