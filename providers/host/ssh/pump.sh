# Joins stdin and stdout with the Unix socket $1: with the first of these programs
# that is there. Once connected, a mark goes before the server's bytes; perl and
# python3 tell why they could not connect, the others' own words have to do.
if command -v perl >/dev/null 2>&1; then
perl -e '
$^O eq "linux" or exit 77; # the numbers below; loading Socket takes three times as long
my $path = $ARGV[0];
length $path < 108 or die "$path: File name too long\n";
socket(my $s, 1, 1, 0) or die "socket: $!\n";
connect($s, pack("S a108", 1, $path)) or die "$path: $!\n";
sub copy { my ($from, $to) = @_; my $b;
  while (sysread($from, $b, 65536)) { my $o = 0;
    while ($o < length $b) { my $n = syswrite($to, $b, length($b) - $o, $o); return unless defined $n; $o += $n } } }
$| = 1; print "\001repltool\n";
my $pid = fork; defined $pid or die "fork: $!\n";
if (!$pid) { close STDOUT; close STDERR; copy(\*STDIN, $s); shutdown($s, 1); exit 0 }
close STDIN; copy($s, \*STDOUT); kill "TERM", $pid; exit 0;
' "$1"
s=$?; [ $s = 77 ] || exit $s
fi
mark() { printf '\001repltool\n'; }
if command -v socat >/dev/null 2>&1; then mark; exec socat -t 10 - "UNIX-CONNECT:$1"; fi
if command -v nc >/dev/null 2>&1 && nc -h 2>&1 | grep -q -e '-[A-Za-z0-9]*U'; then
  mark
  nc -h 2>&1 | grep -q -e '-[A-Za-z0-9]*N' && exec nc -N -U "$1" # ends the other way, too, at the end of stdin
  exec nc -U "$1"
fi
if command -v python3 >/dev/null 2>&1; then
exec python3 -c '
import os, socket, sys, threading
s = socket.socket(socket.AF_UNIX)
try:
    s.connect(sys.argv[1])
except OSError as e:
    sys.exit("%s: %s" % (sys.argv[1], e.strerror))
os.write(1, b"\001repltool\n")
def send():
    while True:
        b = os.read(0, 65536)
        if not b:
            s.shutdown(socket.SHUT_WR)
            return
        s.sendall(b)
threading.Thread(target=send, daemon=True).start()
while True:
    b = s.recv(65536)
    if not b:
        break
    while b:
        b = b[os.write(1, b):]
os._exit(0)
' "$1"
fi
echo 'none of perl, socat, nc -U and python3 is there to reach the socket with' >&2
exit 78
