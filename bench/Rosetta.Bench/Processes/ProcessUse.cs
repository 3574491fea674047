using System.Globalization;
using System.Runtime.InteropServices;

namespace Rosetta.Bench.Processes;

/// <summary>CPU time and memory of a process, from /proc.</summary>
static partial class ProcessUse
{
    const int ClockTicksName = 2;

    static readonly double TicksPerSecond = SystemConfiguration(ClockTicksName);

    /// <summary>User and system time in seconds; 0 for a process that is gone.</summary>
    public static double CpuSeconds(int processId) => Times(processId, 11);

    /// <summary>The same of its children that have ended.</summary>
    public static double CpuSecondsOfChildren(int processId) => Times(processId, 13);

    static double Times(int processId, int first)
    {
        if (Read($"/proc/{processId}/stat") is not { } stat)
            return 0;
        var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
        return (long.Parse(fields[first], CultureInfo.InvariantCulture) + long.Parse(fields[first + 1], CultureInfo.InvariantCulture)) / TicksPerSecond;
    }

    /// <summary>Resident memory in bytes; 0 for a process that is gone.</summary>
    public static long ResidentBytes(int processId) => Status(processId, "VmRSS:");

    /// <summary>The highest resident memory since <see cref="ForgetPeak"/>, in bytes.</summary>
    public static long PeakResidentBytes(int processId) => Status(processId, "VmHWM:");

    /// <summary>Peak memory counts from here.</summary>
    public static void ForgetPeak(int processId) => File.WriteAllText($"/proc/{processId}/clear_refs", "5");

    /// <summary>What a PostgreSQL process calls itself, e.g. <c>postgres: walsender ...</c>.</summary>
    public static string Title(int processId) => Read($"/proc/{processId}/cmdline")?.TrimEnd('\0') ?? "";

    static long Status(int processId, string field)
    {
        var line = Read($"/proc/{processId}/status")?.Split('\n').FirstOrDefault(l => l.StartsWith(field, StringComparison.Ordinal));
        return line is null ? 0 : long.Parse(line[field.Length..].Replace("kB", "", StringComparison.Ordinal).Trim(), CultureInfo.InvariantCulture) * 1024;
    }

    static string? Read(string file)
    {
        try
        {
            return File.ReadAllText(file);
        }
        catch (IOException)
        {
            // The process ended: ENOENT at open, or ESRCH between open and read.
            return null;
        }
    }

    [LibraryImport("libc", EntryPoint = "sysconf")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial long SystemConfiguration(int name);
}
