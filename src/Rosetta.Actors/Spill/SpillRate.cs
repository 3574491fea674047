using Rosetta.Core.Spill;

namespace Rosetta.Actors.Spill;

/// <summary>How fast a spill log grows and is drained, over the last seconds.</summary>
public sealed class SpillRate(TimeProvider time)
{
    static readonly TimeSpan Window = TimeSpan.FromSeconds(5);

    readonly Lock _gate = new();
    long _since = time.GetTimestamp();
    long _written;
    long _drained;
    (double Written, double Drained) _last;

    /// <summary>Raw bytes a second that were written and drained.</summary>
    public (double Written, double Drained) Current
    {
        get
        {
            lock (_gate)
            {
                Turn();
                return _last;
            }
        }
    }

    internal void Add(SpillExtent? before, SpillExtent? after)
    {
        var grown = (after?.RawBytes ?? 0) - (before?.RawBytes ?? 0);
        lock (_gate)
        {
            _written += Math.Max(0, grown);
            _drained += Math.Max(0, -grown);
            Turn();
        }
    }

    void Turn()
    {
        var elapsed = time.GetElapsedTime(_since);
        if (elapsed < Window)
            return;
        _last = (_written / elapsed.TotalSeconds, _drained / elapsed.TotalSeconds);
        (_since, _written, _drained) = (time.GetTimestamp(), 0, 0);
    }
}
