@rem For Windows, what exec is to a POSIX shell: npm's start names it, so that signals come to the server.
@%*
