using System.Diagnostics;

namespace Rosetta.Testing.Waiting;

/// <summary>Waits for a condition with a deadline. What it waits for is named in the error, with the last failure seen.</summary>
public static class Wait
{
    /// <summary>Deadline used where the caller gives none: generous, because test machines are noisy.</summary>
    public static readonly TimeSpan DefaultDeadline = TimeSpan.FromSeconds(60);

    static readonly AsyncLocal<Sighting?> Current = new();
    static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(5);
    static readonly TimeSpan LongestPause = TimeSpan.FromMilliseconds(200);

    /// <summary>Called by what a probe looks at: the error of the wait around it shows what was seen last.</summary>
    public static void Saw(Func<string> what)
    {
        if (Current.Value is { } sighting)
            sighting.Last = what;
    }

    /// <summary>Returns when <paramref name="condition"/> is true; an exception it throws counts as "not yet".</summary>
    /// <exception cref="TimeoutException">The deadline passed; the last exception is the inner one.</exception>
    public static Task UntilAsync(
        Func<Task<bool>> condition, string what, TimeSpan? deadline = null, CancellationToken cancellationToken = default) =>
        ForAsync(async () => await condition() ? "" : null, what, deadline, cancellationToken);

    /// <inheritdoc cref="UntilAsync(Func{Task{bool}}, string, TimeSpan?, CancellationToken)"/>
    public static Task UntilAsync(
        Func<bool> condition, string what, TimeSpan? deadline = null, CancellationToken cancellationToken = default) =>
        UntilAsync(() => Task.FromResult(condition()), what, deadline, cancellationToken);

    /// <summary>Returns the first value of <paramref name="probe"/> that is not null.</summary>
    /// <exception cref="TimeoutException">The deadline passed.</exception>
    public static async Task<T> ForAsync<T>(
        Func<Task<T?>> probe, string what, TimeSpan? deadline = null, CancellationToken cancellationToken = default)
        where T : class
    {
        var limit = deadline ?? DefaultDeadline;
        var watch = Stopwatch.StartNew();
        var pause = FirstPause;
        var attempts = 0;
        var sighting = Current.Value = new Sighting();
        while (true)
        {
            Exception? failure = null;
            attempts++;
            try
            {
                // A probe may hang, e.g. on a frozen server: the deadline holds all the same.
                var left = limit - watch.Elapsed;
                if (await probe().WaitAsync(left > TimeSpan.Zero ? left : TimeSpan.Zero, cancellationToken) is { } value)
                    return value;
            }
            catch (Exception e) when (e is not OperationCanceledException || !cancellationToken.IsCancellationRequested)
            {
                failure = e;
            }
            if (watch.Elapsed >= limit)
            {
                var seen = failure is null ? "" : $"; the last attempt failed: {failure.GetType().Name}: {failure.Message}";
                throw new TimeoutException(
                    $"Waited {watch.Elapsed.TotalSeconds:F1} s ({attempts} attempts) for: {what}{seen}{sighting}", failure);
            }
            await Task.Delay(pause, cancellationToken);
            pause = pause * 2 < LongestPause ? pause * 2 : LongestPause;
        }
    }

    sealed class Sighting
    {
        public Func<string>? Last { get; set; }

        public override string ToString() => Last is null ? "" : $"\nSeen last: {Last()}";
    }
}
