# blocked.pl -- a client and an upstream that send until nothing moves any more,
# then reset, both of them.
#
# Usage: perl blocked.pl PROXY-PORT UPSTREAM-PORT
# It listens on UPSTREAM-PORT and connects to PROXY-PORT. It prints "blocked" when
# no side could send for a second, and resets both after a line on standard input.
use strict;
use warnings;
use Socket qw(:all);
use Fcntl;
use IO::Select;

my ($proxy, $upstream) = @ARGV;
$| = 1;

socket(my $listener, PF_INET, SOCK_STREAM, 0) or die "socket: $!";
setsockopt($listener, SOL_SOCKET, SO_REUSEADDR, 1);
bind($listener, sockaddr_in($upstream, INADDR_LOOPBACK)) or die "bind: $!";
listen($listener, 1) or die "listen: $!";
socket(my $client, PF_INET, SOCK_STREAM, 0) or die "socket: $!";
connect($client, sockaddr_in($proxy, INADDR_LOOPBACK)) or die "connect: $!";
accept(my $server, $listener) or die "accept: $!";

my @sides = ($client, $server);
fcntl($_, F_SETFL, O_NONBLOCK) or die "fcntl: $!" for @sides;
my $select = IO::Select->new(@sides);
while (my @ready = $select->can_write(1)) {
    for my $side (@ready) {
        defined syswrite($side, "x" x 65536) or $!{EAGAIN} or die "write: $!";
    }
}
print "blocked\n";
<STDIN>;
for my $side (@sides) {
    setsockopt($side, SOL_SOCKET, SO_LINGER, pack("i i", 1, 0)) or die "linger: $!";
    close($side);
}
print "reset\n";
