# Prints the rows DAY,TEMPERATURE of a file; fails at any other row.
$1 !~ /^[0-9]+$/ || $2 !~ /^-?[0-9]+(\.[0-9]+)?$/ || NF != 2 {
  print FILENAME ":" FNR ": not DAY,TEMPERATURE: " $0 >"/dev/stderr"
  exit 1
}
{ print }
