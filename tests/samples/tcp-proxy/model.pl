# model.pl -- plays both sides of a proxy at random, and checks what they get.
#
# Usage: perl model.pl PROXY-PORT UPSTREAM-PORT CONNECTIONS SEED
# It listens on UPSTREAM-PORT and connects to PROXY-PORT. Each side of each
# connection sends small and big messages, floods, stalls (reads nothing for a
# while), half-closes, closes or resets, as the seed wants it. What holds then:
#   - a side gets a prefix of what the other one has sent, in order;
#   - it sees an end of file only if the other has ended, and after the last
#     byte: an end is never made up;
#   - if no side resets or closes early, both get everything and an end of file;
#   - every connection ends.
use strict;
use warnings;
use Socket qw(:all);
use Fcntl;
use Errno qw(EAGAIN EINPROGRESS);
use IO::Select;
use List::Util qw(max min);
use Time::HiRes qw(time);

my ($proxy, $upstream, $count, $seed) = @ARGV;
my $together = 40;    # connections at a time
my $limit = $ENV{LIMIT} || 20;
$SIG{PIPE} = "IGNORE";
srand($seed);

# What is sent: byte N of a stream is byte N % PERIOD of the pattern.
my $period = 65521;
my $pattern = join "", map { chr int rand 256 } 1 .. $period;
my $chunk = 65536;
$pattern x= 3;

sub fault { die "seed $seed, connection $_[0]{number}: $_[1]\n" }

# Messages of all sizes, and a way to end. A "reset" or a "close" comes at any
# time, also while bytes are on their way; a "half" waits for the peer's end.
sub script {
    my ($flood) = @_;
    my @steps;
    for (1 .. int rand 4) {
        push @steps, ["send", int(2**(rand 13))] if rand() < 0.6;
        push @steps, ["send", int(2**(10 + rand 12))] if rand() < 0.3;
        push @steps, ["stall", rand(0.05)] if rand() < 0.4;
        push @steps, ["wait", rand(0.01)] if rand() < 0.4;
    }
    push @steps, ["flood", 0.2] if $flood;
    my $end = rand() + ($flood ? 0.5 : 0);
    push @steps, $end < 0.6 ? ["half"] : $end < 0.75 ? ["close"] : ["reset"];
    push @steps, ["wait", rand(0.02)], ["reset"]
        if $steps[-1][0] eq "half" && rand() < 0.15;
    return @steps;
}

sub side {
    my ($socket, $number, $name, $flood) = @_;
    fcntl($socket, F_SETFL, O_NONBLOCK) or die "fcntl: $!";
    return {socket => $socket, number => $number, name => $name,
        steps => [script($flood)], sent => 0, got => 0, left => 0, deaf => 0, wait => 0};
}

sub close_side {
    my ($side, $reset) = @_;
    setsockopt($side->{socket}, SOL_SOCKET, SO_LINGER, pack("i i", 1, 0)) if $reset;
    close($side->{socket});
    $side->{over} = 1;
}

# Do what comes next in the script, if its time has come.
sub act {
    my ($side, $now) = @_;
    $side->{left} = $side->{flood} = 0 if $side->{flood} && $now >= $side->{wait};
    while (!$side->{over} && !$side->{left} && $now >= $side->{wait}) {
        my $step = shift @{$side->{steps}} or return;
        my ($what, $value) = @$step;
        if ($what eq "send") { $side->{left} = $side->{failed} ? 0 : $value }
        elsif ($what eq "stall") { $side->{deaf} = $now + $value }
        elsif ($what eq "flood") {
            $side->{deaf} = $side->{wait} = $now + $value;
            $side->{left} = 1 << 30;
            $side->{flood} = 1;
        }
        elsif ($what eq "wait") { $side->{wait} = $now + $value }
        elsif ($what eq "half") {
            shutdown($side->{socket}, SHUT_WR);
            $side->{half} = 1;
            close_side($side, 0) if $side->{end};
        } else {
            $side->{broke} = 1;
            close_side($side, $what eq "reset");
        }
    }
}

sub write_some {
    my ($side) = @_;
    my $from = $side->{sent} % $period;
    my $wrote = syswrite($side->{socket}, $pattern, min($side->{left}, $chunk), $from);
    if (defined $wrote) {
        $side->{sent} += $wrote;
        $side->{left} -= $wrote;
    } elsif (!$!{EAGAIN}) {
        $side->{left} = $side->{flood} = 0;
        $side->{failed} = 1;
    }
}

sub read_some {
    my ($side) = @_;
    my $got = sysread($side->{socket}, my $bytes, $chunk);
    if ($got) {
        fault($side, "$side->{name} got wrong bytes at $side->{got}")
            if $bytes ne substr($pattern, $side->{got} % $period, $got);
        $side->{got} += $got;
    } elsif (defined $got) {
        # The error has been told once, when it was written.
        $side->{end} = $side->{failed} ? "error" : "file";
        close_side($side, 0) if $side->{half};
    } elsif (!$!{EAGAIN}) {
        $side->{end} = "error";
        close_side($side, 0);
    }
}

sub check {
    my ($one, $other) = @_;
    fault($one, "$one->{name} got $one->{got} of $other->{sent} bytes")
        if $one->{got} > $other->{sent};
    my $end = $one->{end} // "";
    fault($one, "$one->{name} saw an end after $one->{got} of $other->{sent} bytes,"
            . " the other side " . ($other->{half} ? "had ended" : "never ended"))
        if $end eq "file" && ($one->{got} != $other->{sent}
            || !($other->{half} || $other->{broke}));
    fault($one, "$one->{name} got $one->{got} of $other->{sent} bytes, end: $end")
        if !$one->{broke} && !$other->{broke}
        && ($end ne "file" || $one->{got} != $other->{sent});
}

sub listener {
    socket(my $socket, PF_INET, SOCK_STREAM, 0) or die "socket: $!";
    setsockopt($socket, SOL_SOCKET, SO_REUSEADDR, 1);
    bind($socket, sockaddr_in($upstream, INADDR_LOOPBACK)) or die "bind: $!";
    listen($socket, 100) or die "listen: $!";
    return $socket;
}

my $listener = listener();

# Both sides of a new connection. Connections are made one after the other, so
# that they know each other.
sub connection {
    my ($number) = @_;
    socket(my $client, PF_INET, SOCK_STREAM, 0) or die "socket: $!";
    setsockopt($client, SOL_SOCKET, SO_RCVBUF, 8192) if rand() < 0.5;
    connect($client, sockaddr_in($proxy, INADDR_LOOPBACK)) or die "connect: $!";
    IO::Select->new($listener)->can_read($limit)
        or fault({number => $number}, "no connection to the upstream");
    accept(my $server, $listener) or die "accept: $!";
    # In some, both sides send until nothing moves any more, and then end.
    my $flood = rand() < 0.04;
    my @sides = (side($client, $number, "client", $flood),
        side($server, $number, "upstream", $flood));
    return {number => $number, sides => \@sides, until => time + $limit};
}

sub bits {
    my $bits = "";
    vec($bits, fileno($_->{socket}), 1) = 1 for @_;
    return $bits;
}

my @connections;
my ($started, $bytes) = (0, 0);
while ($started < $count || @connections) {
    push @connections, connection(++$started)
        while $started < $count && @connections < $together;
    my $now = time;
    my @open = grep { !$_->{over} } map { @{$_->{sides}} } @connections;
    act($_, $now) for @open;
    @open = grep { !$_->{over} } @open;
    my $reads = bits(grep { !$_->{end} && $now >= $_->{deaf} } @open);
    my $writes = bits(grep { $_->{left} } @open);
    select($reads, $writes, undef, 0.005);
    for my $side (@open) {
        my $fd = fileno($side->{socket});
        write_some($side) if vec($writes, $fd, 1);
        read_some($side) if vec($reads, $fd, 1);
    }
    for my $connection (@connections) {
        my ($client, $server) = @{$connection->{sides}};
        fault($connection, "it does not end") if time > $connection->{until};
        next if !$client->{over} || !$server->{over};
        check($client, $server);
        check($server, $client);
        $bytes += $client->{got} + $server->{got};
        $connection->{done} = 1;
    }
    @connections = grep { !$_->{done} } @connections;
}
print "$count connections, $bytes bytes: all as they may be\n";
