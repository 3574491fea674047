using System.Globalization;

namespace Rosetta.Testing.Processes;

/// <summary>
/// A process named by its id and its start time (clock ticks since boot, field 22 of /proc/PID/stat), so that a reused id is never
/// mistaken for the process meant.
/// </summary>
public readonly record struct ProcessIdentity(int Id, long StartTicks)
{
    /// <summary>This very process.</summary>
    public static ProcessIdentity Current { get; } =
        Find(Environment.ProcessId) ?? throw new InvalidOperationException("/proc is not readable; the test kit needs Linux");

    /// <summary>True while the process exists and is not a zombie.</summary>
    public bool IsAlive => Find(Id) is { } found && found.StartTicks == StartTicks;

    /// <summary>The living process of that id; null when there is none, or only a zombie whose parent has not collected it.</summary>
    public static ProcessIdentity? Find(int processId)
    {
        var stat = ReadStat(processId);
        return stat is null || stat[0] is "Z" or "X" ? null : new ProcessIdentity(processId, long.Parse(stat[19], CultureInfo.InvariantCulture));
    }

    /// <summary>The living direct children, e.g. a postmaster's backends.</summary>
    public IReadOnlyList<ProcessIdentity> Children()
    {
        var children = new List<ProcessIdentity>();
        foreach (var directory in Directory.EnumerateDirectories("/proc"))
        {
            if (!int.TryParse(Path.GetFileName(directory), CultureInfo.InvariantCulture, out var id))
                continue;
            var stat = ReadStat(id);
            if (stat is not null && stat[0] is not ("Z" or "X") && int.Parse(stat[1], CultureInfo.InvariantCulture) == Id)
                children.Add(new ProcessIdentity(id, long.Parse(stat[19], CultureInfo.InvariantCulture)));
        }
        return children;
    }

    /// <summary>Sends a signal if the process is still the one meant; false when it is gone.</summary>
    public bool Signal(PosixSignalNumber signal) => IsAlive && Signals.Send(Id, signal);

    /// <summary>"id ticks", as kept in owner files.</summary>
    public string Format() => string.Create(CultureInfo.InvariantCulture, $"{Id} {StartTicks}");

    public static ProcessIdentity? Parse(string text)
    {
        var parts = text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
        return parts.Length == 2
            && int.TryParse(parts[0], CultureInfo.InvariantCulture, out var id)
            && long.TryParse(parts[1], CultureInfo.InvariantCulture, out var ticks)
                ? new ProcessIdentity(id, ticks)
                : null;
    }

    // The fields after the command name, which stands in parentheses and may itself contain blanks and parentheses.
    static string[]? ReadStat(int processId)
    {
        try
        {
            var text = File.ReadAllText($"/proc/{processId}/stat");
            return text[(text.LastIndexOf(')') + 2)..].Split(' ');
        }
        catch (IOException)
        {
            // The process ended: ENOENT at open, or ESRCH between open and read.
            return null;
        }
    }
}
