namespace Rosetta.Actors.Replication;

/// <summary>The open orders to read the source's catalog again. A look answers those that were there when it began.</summary>
public sealed class RefreshOrders
{
    readonly Lock _gate = new();
    readonly HashSet<long> _open = [];

    /// <summary>Told the requests that a look has answered.</summary>
    public Action<IReadOnlyList<long>> Done { get; set; } = static _ => { };

    public void Order(long requestId)
    {
        lock (_gate)
            _open.Add(requestId);
    }

    /// <summary>What a look that begins now will answer.</summary>
    public IReadOnlyList<long> Begin()
    {
        lock (_gate)
            return [.. _open];
    }

    /// <summary>The look is through and its plans are published.</summary>
    public void End(IReadOnlyList<long> answered)
    {
        if (answered.Count == 0)
            return;
        lock (_gate)
            _open.ExceptWith(answered);
        Done(answered);
    }
}
