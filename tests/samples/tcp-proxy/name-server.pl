# name-server.pl -- name servers that do what is asked of them.
#
# Usage: perl name-server.pl LOG ADDRESS:PORT=KIND...
# A KIND "answers", "refuses" or "fails" all questions, is "silent", or "knows
# nothing". One that answers goes by the first word of the name:
#   four six both  has such addresses, on the loopback
#   half           has an IPv4 one; the question for the other is dropped
#   later          has an IPv6 one; the question for the other is dropped
#   silent         is never answered
# Any other name is unknown. Each question is written to LOG: PORT TYPE NAME.
use strict;
use warnings;
use Socket qw(:all);
use IO::Select;

my ($log, @servers) = @ARGV;
my (%kind, %port);
my $all = IO::Select->new;
for (@servers) {
    my ($address, $port, $kind) = /^(.*):(\d+)=(.*)$/ or die "$_?";
    socket(my $socket, PF_INET, SOCK_DGRAM, 0) or die "socket: $!";
    bind($socket, sockaddr_in($port, inet_aton($address))) or die "bind $_: $!";
    $all->add($socket);
    @kind{$socket} = $kind;
    @port{$socket} = $port;
}
open(my $out, ">>", $log) or die "$log: $!";
$out->autoflush(1);
print $out "ready\n";

# The record of an answer, its name being that of the question.
sub record {
    my ($type, $address) = @_;
    return pack("n n n N n/a*", 0xc00c, $type, 1, 60, $address);
}

while (my @ready = $all->can_read) {
    for my $socket (@ready) {
        my $peer = recv($socket, my $query, 1500, 0) or next;
        my ($id, $name) = (unpack("n", $query), "");
        my $at = 12;
        while (my $length = unpack("C", substr($query, $at, 1))) {
            $name .= lc(substr($query, $at + 1, $length)) . ".";
            $at += $length + 1;
        }
        my $type = unpack("n", substr($query, $at + 1, 2));
        my $question = substr($query, 12, $at + 5 - 12);
        print $out "$port{$socket} ", ($type == 28 ? "AAAA" : "A"), " $name\n";
        my ($kind, $word) = ($kind{$socket}, $name =~ /^([a-z]*)/);
        my ($code, @records) = (0);
        if ($kind eq "silent" || ($kind eq "answers" && $word eq "silent")) {
            next;
        } elsif ($kind eq "refuses") {
            $code = 5;
        } elsif ($kind eq "fails") {
            $code = 2;
        } elsif ($kind eq "knows nothing"
            || $word !~ /^(four|six|both|half|later)$/) {
            $code = 3;
        } elsif ($type == 1) {
            next if $word eq "later";
            push @records, record(1, inet_aton("127.0.0.1"))
                if $word ne "six";
        } else {
            next if $word eq "half";
            push @records, record(28, inet_pton(AF_INET6, "::1"))
                if $word ne "four";
        }
        send($socket,
            pack("n n n n n n", $id, 0x8180 | $code, 1, scalar(@records), 0, 0)
                . $question . join("", @records), 0, $peer);
    }
}
