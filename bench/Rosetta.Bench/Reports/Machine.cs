using System.Globalization;
using System.Runtime.InteropServices;

namespace Rosetta.Bench.Reports;

/// <summary>What the figures were taken on.</summary>
static class Machine
{
    /// <summary>The load average of the last minute.</summary>
    public static double Load() => double.Parse(File.ReadAllText("/proc/loadavg").Split(' ')[0], CultureInfo.InvariantCulture);

    public static string Describe()
    {
        var model = Field("/proc/cpuinfo", "model name") ?? "unknown processor";
        var memory = long.Parse((Field("/proc/meminfo", "MemTotal") ?? "0 kB").Split(' ')[0], CultureInfo.InvariantCulture) / (1024 * 1024);
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{Environment.ProcessorCount} cores ({model}), {memory} GB, {RuntimeInformation.OSDescription}, {RuntimeInformation.FrameworkDescription}, load {Load():F1}");
    }

    static string? Field(string file, string name) =>
        File.ReadLines(file).FirstOrDefault(l => l.StartsWith(name, StringComparison.Ordinal))?.Split(':', 2)[1].Trim();
}
