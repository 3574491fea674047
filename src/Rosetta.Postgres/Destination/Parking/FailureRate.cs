namespace Rosetta.Postgres.Destination.Parking;

/// <summary>Failures within a window of time, as the sum of the present part of it and of the one before.</summary>
sealed class FailureRate(TimeSpan window, TimeProvider time)
{
    long _part;
    int _now;
    int _before;

    /// <summary>Counts one more; how many there were within the window, or up to twice as long.</summary>
    public int Count()
    {
        var part = time.GetUtcNow().Ticks / Math.Max(1, window.Ticks);
        if (part != _part)
            (_part, _before, _now) = (part, part == _part + 1 ? _now : 0, 0);
        _now++;
        return _now + _before;
    }
}
