#include "cli/cli.h"

int main(int argc, char **argv)
{
    struct cli c;
    cli_open(&c);
    return cli_close(&c, cli_dispatch(&c, argc, argv));
}
