using Rosetta.Core.Changes;
using Rosetta.Core.Positions;

namespace Rosetta.Core.Lanes;

/// <summary>
/// One destination's retained log with a cursor, bounded in bytes. The reader appends, one pump reads; a batch stays until the
/// destination's durable position has passed it, so a failed apply reads it again (<see cref="TryRewind"/>). When room is needed, batches
/// that were read but are not durable yet are let go first: the log then no longer reaches back, and a failure means catching up from the
/// source. Unread batches are never let go: with those alone over the bound the log is full.
/// Thread-safe for one writer and one reader.
/// </summary>
public sealed class LaneLog : IDisposable
{
    readonly Lock _gate = new();
    readonly LinkedList<ChangeBatch> _batches = new();
    readonly long _capacity;
    LinkedListNode<ChangeBatch>? _lastRead;
    TaskCompletionSource<bool>? _readable;
    TaskCompletionSource? _room;
    long _held;
    long _unread;
    long _refused;
    Lsn _lostUpTo;
    bool _lostOpen;
    bool _reachesBack = true;
    bool _closed;

    /// <param name="capacity">Bound in bytes; one batch more than that is accepted into an empty log, whatever its size.</param>
    public LaneLog(long capacity)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(capacity);
        _capacity = capacity;
    }

    /// <summary>Bytes not yet read.</summary>
    public long UnreadBytes
    {
        get
        {
            lock (_gate)
                return _unread;
        }
    }

    /// <summary>Nothing more is taken.</summary>
    public bool IsClosed
    {
        get
        {
            lock (_gate)
                return _closed;
        }
    }

    /// <summary>Bytes held, read or not.</summary>
    public long HeldBytes
    {
        get
        {
            lock (_gate)
                return _held;
        }
    }

    /// <summary>Takes the batch (one more hold), or refuses because unread batches fill the log or it is closed.</summary>
    public bool TryAppend(ChangeBatch batch)
    {
        TaskCompletionSource<bool>? wake;
        lock (_gate)
        {
            if (_closed)
                return false;
            if (!HasRoomFor(batch.Size))
            {
                _refused = batch.Size;
                return false;
            }

            while (_held + batch.Size > _capacity && _lastRead is not null)
                DropBeforeDurable();
            _batches.AddLast(batch.Retain());
            _held += batch.Size;
            _unread += batch.Size;
            wake = _readable;
            _readable = null;
        }

        wake?.TrySetResult(true);
        return true;
    }

    /// <summary>Completes when the batch that was refused last would be taken, or the log is closed; the writer then tries again.</summary>
    public Task WhenRoom()
    {
        lock (_gate)
        {
            if (_closed || HasRoomFor(_refused))
                return Task.CompletedTask;
            _room ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            return _room.Task;
        }
    }

    /// <summary>The batch at the cursor, with a hold of the caller's own, and moves the cursor past it.</summary>
    public bool TryRead(out ChangeBatch? batch)
    {
        TaskCompletionSource? room = null;
        lock (_gate)
        {
            var next = _lastRead is null ? _batches.First : _lastRead.Next;
            if (next is null)
            {
                batch = null;
                return false;
            }

            _lastRead = next;
            batch = next.Value.Retain();
            _unread -= batch.Size;
            if (HasRoomFor(_refused))
                (room, _room) = (_room, null);
        }

        room?.TrySetResult();
        return true;
    }

    /// <summary>True when a batch waits at the cursor; false when the log was closed and is read to its end.</summary>
    public async ValueTask<bool> WaitToReadAsync(CancellationToken cancellationToken)
    {
        Task<bool> wait;
        lock (_gate)
        {
            if ((_lastRead is null ? _batches.First : _lastRead.Next) is not null)
                return true;
            if (_closed)
                return false;
            _readable ??= new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
            wait = _readable.Task;
        }

        return await wait.WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>The destination has everything before <paramref name="position"/>: batches covered by it go.</summary>
    public void Durable(Lsn position)
    {
        lock (_gate)
        {
            while (_lastRead is not null && _batches.First is { } first && first.Value.IsCoveredBy(position))
                RemoveFirst();
            // What was let go early has become durable: nothing is missing behind the oldest batch any more.
            if (!_reachesBack && (_lostOpen ? position > _lostUpTo : position >= _lostUpTo))
                _reachesBack = true;
        }
    }

    /// <summary>Moves the cursor back to the oldest batch that is not durable. False: the log no longer reaches back that far.</summary>
    public bool TryRewind()
    {
        lock (_gate)
        {
            if (!_reachesBack)
                return false;
            _lastRead = null;
            _unread = _held;
            return true;
        }
    }

    /// <summary>No more appends; the reader gets what is there and then the end.</summary>
    public void Close()
    {
        TaskCompletionSource<bool>? wake;
        TaskCompletionSource? room;
        lock (_gate)
        {
            _closed = true;
            (wake, _readable) = (_readable, null);
            (room, _room) = (_room, null);
        }

        // A waiting reader is only woken when nothing is left to read.
        wake?.TrySetResult(false);
        room?.TrySetResult();
    }

    /// <summary>Closes and lets everything go.</summary>
    public void Dispose()
    {
        Close();
        lock (_gate)
        {
            foreach (var batch in _batches)
                batch.Release();
            _batches.Clear();
            _lastRead = null;
            _held = _unread = 0;
            // For good: no position is beyond this.
            (_reachesBack, _lostUpTo, _lostOpen) = (false, Lsn.Max, true);
        }
    }

    bool HasRoomFor(long size) => _unread == 0 || _unread + size <= _capacity;

    void DropBeforeDurable()
    {
        var first = _batches.First!.Value;
        _lostUpTo = first.DeliveredUpTo;
        _lostOpen = first.IsOpenAtEnd;
        _reachesBack = false;
        RemoveFirst();
    }

    void RemoveFirst()
    {
        var first = _batches.First!;
        if (ReferenceEquals(first, _lastRead))
            _lastRead = null;
        _batches.RemoveFirst();
        _held -= first.Value.Size;
        first.Value.Release();
    }
}
