# Prints the city, from the name of the first file, and its average temperature.
{ sum += $2 }
END {
  city = FILENAME
  sub(".*/", "", city)
  sub("-.*", "", city)
  if (NR > 0) printf "%s,%.2f\n", city, sum / NR
}
