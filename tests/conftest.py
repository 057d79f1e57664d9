"""What holds for every test."""

import signal

# A shell without job control starts `make test &` with SIGINT ignored, and what is ignored stays so in every
# program the tests start: those they end with an interrupt would then run on.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
