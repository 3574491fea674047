namespace Rosetta.Testing.Network;

/// <summary>
/// What a <see cref="TcpProxy"/> does to one direction of its traffic. Changes act at once on open connections and on new ones.
/// </summary>
public sealed class TrafficShape
{
    readonly Lock _guard = new();
    TaskCompletionSource? _stalled;
    TaskCompletionSource _changed = NewSignal();
    TimeSpan _delay;
    long? _bytesPerSecond;
    long _forwarded;
    long _cutAt = long.MaxValue;

    /// <summary>
    /// How long data is on its way; order is kept, and data does not queue behind each other's delay. At most 1 MB per connection is
    /// under way, as in a network with a bounded window.
    /// </summary>
    public TimeSpan Delay
    {
        get { lock (_guard) return _delay; }
        set
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(value, TimeSpan.Zero);
            Change(() => _delay = value);
        }
    }

    /// <summary>The rate of each connection; null: unlimited.</summary>
    public long? BytesPerSecond
    {
        get { lock (_guard) return _bytesPerSecond; }
        set
        {
            if (value is { } rate)
                ArgumentOutOfRangeException.ThrowIfLessThan(rate, 1);
            Change(() => _bytesPerSecond = value);
        }
    }

    /// <summary>Bytes forwarded over all connections since the proxy started.</summary>
    public long BytesForwarded => Interlocked.Read(ref _forwarded);

    /// <summary>True between <see cref="Stall"/> and <see cref="Resume"/>.</summary>
    public bool IsStalled { get { lock (_guard) return _stalled is not null; } }

    /// <summary>Takes data (up to the bounded buffer) and forwards nothing, while connections stay open.</summary>
    public void Stall() => Change(() => _stalled ??= NewSignal());

    /// <summary>Forwards what was held back, and goes on.</summary>
    public void Resume() => Change(() =>
    {
        _stalled?.SetResult();
        _stalled = null;
    });

    /// <summary>Cuts the connection that carries the n-th byte from now on in this direction, once, right after handing that byte to the network.</summary>
    public void CutAfter(long bytes)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(bytes, 1);
        Change(() => _cutAt = BytesForwarded + bytes);
    }

    /// <summary>Ends when nothing is stalled.</summary>
    internal Task Flowing { get { lock (_guard) return _stalled?.Task ?? Task.CompletedTask; } }

    /// <summary>Ends at the next change, so that a wait under an old rule can be cut short.</summary>
    internal Task Changed { get { lock (_guard) return _changed.Task; } }

    /// <summary>How many of the bytes may pass, and whether the connection is to be cut after them.</summary>
    internal (int Count, bool Cut) Admit(int count)
    {
        lock (_guard)
        {
            var left = _cutAt - _forwarded;
            if (left > count)
            {
                _forwarded += count;
                return (count, false);
            }
            _cutAt = long.MaxValue;
            _forwarded += left;
            return ((int)left, true);
        }
    }

    void Change(Action change)
    {
        TaskCompletionSource changed;
        lock (_guard)
        {
            change();
            changed = _changed;
            _changed = NewSignal();
        }
        changed.SetResult();
    }

    static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
