# Prints the tasks of a pipeline for files named CITY-MONTH.csv: check each file, then compute the average for each city when
# its files are checked, then sort the averages of all cities.
# Usage: jq -nc --arg out DIRECTORY -f tasks.jq --args FILE…

[$ARGS.positional[] | {path: ., name: split("/")[-1]} | .city = (.name | split("-")[0])] | group_by(.city) as $cities |

# A file gets its name when it is complete, so that an interrupted task leaves no half of it.
def to($path): " >" + ($path + ".part" | @sh) + " && mv " + ($path + ".part" | @sh) + " " + ($path | @sh);

($cities[][] | {
  id: "check \(.name)",
  cmd: ("awk -F, -f examples/pipeline/check.awk \(.path | @sh)" + to("\($out)/\(.name)"))
}),
($cities[] | {
  id: "average \(.[0].city)",
  after: map("check \(.name)"),
  cmd: (("awk -F, -f examples/pipeline/average.awk " + (map("\($out)/\(.name)" | @sh) | join(" "))) + to("\($out)/\(.[0].city).average"))
}),
{
  id: "summary",
  after: ($cities | map("average \(.[0].city)")),
  cmd: ("sort -t, -k2 -nr " + ($cities | map("\($out)/\(.[0].city).average" | @sh) | join(" ")) + to("\($out)/summary.csv"))
}
