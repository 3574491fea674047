namespace Rosetta.Actors.Destinations;

/// <summary>Capped exponential backoff with jitter: waits of 0.2 s, doubling to a cap, each shortened at random by up to a half.</summary>
public sealed class RetryDelay(TimeSpan cap)
{
    static readonly TimeSpan First = TimeSpan.FromMilliseconds(200);
    int _failures;

    public int Failures => _failures;

    public TimeSpan Next()
    {
        var factor = Math.Pow(2, Math.Min(_failures++, 16));
        var full = Math.Min(First.TotalMilliseconds * factor, cap.TotalMilliseconds);
#pragma warning disable CA5394 // jitter needs no secrecy
        return TimeSpan.FromMilliseconds(full * (0.5 + (Random.Shared.NextDouble() / 2)));
#pragma warning restore CA5394
    }

    public void Reset() => _failures = 0;
}
