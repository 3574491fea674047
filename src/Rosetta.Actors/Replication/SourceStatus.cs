using Rosetta.Core.Errors;
using Rosetta.Core.Positions;

namespace Rosetta.Actors.Replication;

/// <summary>The source side's account of itself. Its program writes, the reporter reads.</summary>
public sealed class SourceStatus
{
    volatile Fault? _fault;
    volatile bool _ready;
    volatile string? _slot;
    long _received;
    long _confirmed;
    long _current;
    long _retained = -1;
    int _backends = -1;

    public Fault? Fault
    {
        get => _fault;
        set => _fault = value;
    }

    /// <summary>The source has been taken over and its slot is ours and whole.</summary>
    public bool Ready
    {
        get => _ready;
        set => _ready = value;
    }

    public string? Slot
    {
        get => _slot;
        set => _slot = value;
    }

    /// <summary>WAL end that the main stream has reached.</summary>
    public Lsn? Received
    {
        get => Get(ref _received);
        set => Set(ref _received, value);
    }

    /// <summary>What the slot was last acknowledged at.</summary>
    public Lsn? Confirmed
    {
        get => Get(ref _confirmed);
        set => Set(ref _confirmed, value);
    }

    /// <summary>The source's pg_current_wal_lsn(), about once a second.</summary>
    public Lsn? Current
    {
        get => Get(ref _current);
        set => Set(ref _current, value);
    }

    /// <summary>WAL the slot makes the source keep, in bytes.</summary>
    public long? RetainedBytes
    {
        get => Volatile.Read(ref _retained) is var v and >= 0 ? v : null;
        set => Volatile.Write(ref _retained, value ?? -1);
    }

    /// <summary>Sessions of others that are at work at the source, about once a second.</summary>
    public int? ActiveBackends
    {
        get => Volatile.Read(ref _backends) is var v and >= 0 ? v : null;
        set => Volatile.Write(ref _backends, value ?? -1);
    }

    static Lsn? Get(ref long field) => Volatile.Read(ref field) is var v and not 0 ? new Lsn((ulong)v) : null;

    static void Set(ref long field, Lsn? value) => Volatile.Write(ref field, (long)(value?.Value ?? 0));
}
