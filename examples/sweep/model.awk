# Prints the steps of the logistic map, x → r x (1 - x). Fails when x leaves the interval from 0 to 1, unless CLIP=1.
BEGIN {
  for (step = 1; step <= 1000; step++) {
    x = r * x * (1 - x)
    if (x < 0 || x > 1) {
      if (ENVIRON["CLIP"] != 1) {
        print "x is " x " in step " step >"/dev/stderr"
        exit 1
      }
      x = x < 0 ? 0 : 1
    }
    printf "%s,%d,%.4f\n", r, step, x
  }
}
