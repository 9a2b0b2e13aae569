# hidden.bash -- other values than the visible ones.
# shellcheck disable=SC2034 # for checks.bash
ANN=Zoe7 BOB=x CID=0042 SECRET="one %s two %n <bob> * three" LONGEST=n1n2n3n4n5n6n7n8
PEOPLE=70 SEED=5 FLOOD_MB=13
