using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;

namespace Rosetta.Core.Failpoints;

/// <summary>
/// Named places between two lines that touch the outside world, where a test can fail, kill or hold the process. Armed by the setting
/// <c>ROSETTA_FAILPOINTS</c> (<c>name=kill;name=throw*2;name=hang@3</c>: on the third hit) or by <see cref="Arm"/>; unarmed they cost one read of a static field.
/// </summary>
public static class Failpoint
{
    public const string SettingName = "ROSETTA_FAILPOINTS";

    static readonly Lock Gate = new();
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
        var armed = new Armed(name, action, times, skip);
        lock (Gate)
        {
            s_armed ??= new ConcurrentDictionary<string, Armed>(StringComparer.Ordinal);
            s_armed[name] = armed;
        }

        return armed;
    }

    /// <summary>Arms what the setting says. Actions: <c>kill</c> (SIGKILL to this process), <c>throw</c>, <c>hang</c>, <c>stop</c> (SIGSTOP: it goes on from there with
    /// SIGCONT); <c>*n</c> at most n times; <c>@n</c> from the n-th hit on.</summary>
    /// <exception cref="FormatException">An unknown name or action, or a number below 1; nothing is armed then.</exception>
    public static void ArmFromSetting(string? setting)
    {
        var points = (setting ?? "")
            .Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
            .Select(Parse)
            .ToList();
        foreach (var (name, action, times, skip) in points)
            Arm(name, action, times, skip);
    }

    static (string Name, Action Action, int Times, int Skip) Parse(string part)
    {
        if (part.IndexOf('=', StringComparison.Ordinal) is not (> 0 and var equals))
            throw new FormatException($"{SettingName}: '{part}' is not of the form name=action.");
        var name = part[..equals];
        FailpointNames.Require(name);
        var rest = part[(equals + 1)..];
        var word = rest.IndexOfAny(['*', '@']) is >= 0 and var mark ? rest[..mark] : rest;
        var times = int.MaxValue;
        var from = 1;
        for (var left = rest[word.Length..]; left.Length > 0;)
        {
            var end = left.IndexOfAny(['*', '@'], 1) is > 0 and var next ? next : left.Length;
            ref var number = ref left[0] == '*' ? ref times : ref from;
            var given = left[0] == '*' ? times != int.MaxValue : from != 1;
            if (given || !int.TryParse(left[1..end], NumberStyles.None, CultureInfo.InvariantCulture, out number) || number < 1)
                throw new FormatException($"{SettingName}: in '{part}' a single number from 1 on has to follow each of * and @.");
            left = left[end..];
        }

        return (name, ActionOf(name, word), times, from - 1);
    }

    static Action ActionOf(string name, string action) => action switch
    {
        "kill" => static () => Process.GetCurrentProcess().Kill(),
        "throw" => () => throw new FailpointException(name),
        "hang" => static () => Thread.Sleep(Timeout.Infinite),
        "stop" => Stop,
        _ => throw new FormatException($"{SettingName}: '{action}' is not kill, throw, hang or stop."),
    };

    // .NET sends no other signal than SIGKILL.
    static void Stop()
    {
        using var kill = Process.Start("kill", ["-STOP", Environment.ProcessId.ToString(CultureInfo.InvariantCulture)]);
        kill.WaitForExit();
        if (kill.ExitCode != 0)
            throw new InvalidOperationException("The process could not be stopped at a failpoint.");
    }

    sealed class Armed(string name, Action action, int times, int skip) : IDisposable
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

        /// <summary>Disarms this one, and leaves alone what was armed under its name since.</summary>
        public void Dispose() => s_armed?.TryRemove(new KeyValuePair<string, Armed>(name, this));
    }
}

/// <summary>Thrown by an armed failpoint; classified as transient.</summary>
public sealed class FailpointException(string name) : Exception($"Failpoint {name}.");
