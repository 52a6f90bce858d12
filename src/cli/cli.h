/* The command line: `homerun COMMAND …`. Only `up` and `doctor` reach further than an API client.
 */
#pragma once

/* argv[0] is the program. The exit status: 0; 1 when something failed; 2 for a wrong command line.
 */
int cli_main(int argc, char **argv);
