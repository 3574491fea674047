using System.Collections.Concurrent;
using System.Diagnostics;

namespace Rosetta.Core.Failpoints;

/// <summary>
/// Named places between two lines that touch the outside world, where a test can fail, kill or hold the process. Armed by the setting
/// <c>ROSETTA_FAILPOINTS</c> (<c>name=kill;name=throw*2;name=hang@3</c>: on the third hit) or by <see cref="Arm"/>; unarmed they cost one read of a static field.
/// </summary>
public static class Failpoint
{
    public const string SettingName = "ROSETTA_FAILPOINTS";

    static volatile ConcurrentDictionary<string, Armed>? s_armed;

    /// <summary>Runs what is armed at <paramref name="name"/> (one of <see cref="FailpointNames"/>).</summary>
    public static void Hit(string name)
    {
        if (s_armed is { } armed && armed.TryGetValue(name, out var point))
            point.Hit();
    }

    /// <summary>Something is armed at <paramref name="name"/>: for a place that only exists when work is split for it.</summary>
    public static bool IsArmed(string name) => s_armed is { } armed && armed.ContainsKey(name);

    /// <summary>Arms a name with an action; disposing the result disarms it.</summary>
    public static IDisposable Arm(string name, Action action, int times = int.MaxValue, int skip = 0)
    {
        FailpointNames.Require(name);
        lock (typeof(Failpoint))
        {
            s_armed ??= new ConcurrentDictionary<string, Armed>(StringComparer.Ordinal);
            s_armed[name] = new Armed(name, action, times, skip);
        }

        return new Disarm(name);
    }

    /// <summary>Arms what the setting says. Actions: <c>kill</c> (SIGKILL to this process), <c>throw</c>, <c>hang</c>; <c>*n</c> at most n times; <c>@n</c> from the n-th hit on.</summary>
    /// <exception cref="FormatException">An unknown name or action.</exception>
    public static void ArmFromSetting(string? setting)
    {
        foreach (var part in (setting ?? "").Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            var equals = part.IndexOf('=', StringComparison.Ordinal);
            if (equals < 1)
                throw new FormatException($"{SettingName}: '{part}' is not of the form name=action.");
            var name = part[..equals];
            var rest = part[(equals + 1)..];
            var skip = 0;
            var times = int.MaxValue;
            if (rest.IndexOf('@', StringComparison.Ordinal) is var at and >= 0)
            {
                skip = int.Parse(rest[(at + 1)..], System.Globalization.CultureInfo.InvariantCulture) - 1;
                rest = rest[..at];
            }

            if (rest.IndexOf('*', StringComparison.Ordinal) is var star and >= 0)
            {
                times = int.Parse(rest[(star + 1)..], System.Globalization.CultureInfo.InvariantCulture);
                rest = rest[..star];
            }

            Arm(name, ActionOf(name, rest), times, skip);
        }
    }

    static Action ActionOf(string name, string action) => action switch
    {
        "kill" => static () => Process.GetCurrentProcess().Kill(),
        "throw" => () => throw new FailpointException(name),
        "hang" => static () => Thread.Sleep(Timeout.Infinite),
        _ => throw new FormatException($"{SettingName}: '{action}' is not kill, throw or hang."),
    };

    sealed class Armed(string name, Action action, int times, int skip)
    {
        int _hits;

        public void Hit()
        {
            var hit = Interlocked.Increment(ref _hits);
            if (hit <= skip || hit - skip > times)
                return;
            Console.Error.WriteLine($"failpoint {name} (hit {hit})");
            action();
        }
    }

    sealed class Disarm(string name) : IDisposable
    {
        public void Dispose() => s_armed?.TryRemove(name, out _);
    }
}

/// <summary>Thrown by an armed failpoint; classified as transient.</summary>
public sealed class FailpointException(string name) : Exception($"Failpoint {name}.");
