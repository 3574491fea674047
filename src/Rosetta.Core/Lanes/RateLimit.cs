namespace Rosetta.Core.Lanes;

/// <summary>Spreads amounts evenly over time: whoever takes some is told how long to wait before it takes more. Not thread-safe.</summary>
/// <param name="perSecond">0: there is no limit.</param>
public sealed class RateLimit(double perSecond)
{
    /// <summary>What was not used is worth this much later.</summary>
    static readonly TimeSpan Saved = TimeSpan.FromMilliseconds(200);

    TimeSpan _free = TimeSpan.MinValue;

    /// <param name="now">Time since any moment, the same for each call.</param>
    public TimeSpan Take(double amount, TimeSpan now)
    {
        if (perSecond <= 0)
            return TimeSpan.Zero;
        var from = _free < now - Saved ? now - Saved : _free;
        _free = from + TimeSpan.FromSeconds(amount / perSecond);
        return _free > now ? _free - now : TimeSpan.Zero;
    }
}
