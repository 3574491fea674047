using System.Globalization;

namespace Rosetta.Bench.Reports;

/// <summary>Numbers as the tables show them.</summary>
static class Figures
{
    const double Mega = 1024 * 1024;

    public static string Text(double value, int digits) => value.ToString("N" + digits, CultureInfo.InvariantCulture);

    public static string Megabytes(long bytes) => Text(bytes / Mega, 0);

    /// <summary>The middle one; of an even number the lower of the two in the middle.</summary>
    public static T Median<T>(IEnumerable<T> values, Func<T, double> by)
    {
        var sorted = values.OrderBy(by).ToList();
        return sorted[(sorted.Count - 1) / 2];
    }

    /// <param name="sorted">Ascending, not empty.</param>
    public static double Percentile(IReadOnlyList<double> sorted, double percent) =>
        sorted[Math.Clamp((int)Math.Ceiling(sorted.Count * percent / 100) - 1, 0, sorted.Count - 1)];
}
