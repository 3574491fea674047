using Rosetta.Core.Tables;

namespace Rosetta.Actors.Replication;

/// <summary>
/// The open orders of a pipeline to copy tables again. A table's own order forces a copy; a pipeline's order covers every table of its
/// destinations that has none yet in the new generation.
/// </summary>
public sealed class ResyncOrders
{
    readonly Lock _gate = new();
    readonly Dictionary<(long Destination, TableName Table), long> _tables = [];
    readonly Dictionary<(long Destination, TableName Table), List<long>> _overtaken = [];
    readonly Dictionary<long, long> _whole = [];

    /// <summary>A pipeline's resync is under way: the old slot need not be whole.</summary>
    public bool AnyWhole
    {
        get
        {
            lock (_gate)
                return _whole.Count > 0;
        }
    }

    /// <summary>One copy answers it and those of the same table before it.</summary>
    public void OrderTable(long destinationId, TableName table, long requestId)
    {
        lock (_gate)
        {
            if (_tables.TryGetValue((destinationId, table), out var older))
            {
                if (!_overtaken.TryGetValue((destinationId, table), out var overtaken))
                    _overtaken[(destinationId, table)] = overtaken = [];
                overtaken.Add(older);
            }

            _tables[(destinationId, table)] = requestId;
        }
    }

    public void OrderWhole(long destinationId, long requestId)
    {
        lock (_gate)
            _whole[destinationId] = requestId;
    }

    /// <summary>The orders that concern a destination's tables.</summary>
    public IReadOnlyDictionary<TableName, ResyncOrder> For(long destinationId, IEnumerable<TableName> tables)
    {
        lock (_gate)
        {
            var orders = new Dictionary<TableName, ResyncOrder>();
            foreach (var table in tables)
            {
                if (_tables.TryGetValue((destinationId, table), out var own))
                    orders[table] = new ResyncOrder(own, true);
                else if (_whole.TryGetValue(destinationId, out var whole))
                    orders[table] = new ResyncOrder(whole, false);
            }

            return orders;
        }
    }

    /// <summary>A table's own order was carried out.</summary>
    /// <returns>The requests of which nothing is left: this one, and older ones it has overtaken.</returns>
    public IReadOnlyList<long> TableDone(long destinationId, TableName table, long requestId)
    {
        lock (_gate)
        {
            List<long> answered = [requestId];
            if (_tables.TryGetValue((destinationId, table), out var open) && open == requestId)
            {
                _tables.Remove((destinationId, table));
                if (_overtaken.Remove((destinationId, table), out var overtaken))
                    answered.AddRange(overtaken);
            }
            else if (_overtaken.TryGetValue((destinationId, table), out var overtaken))
                overtaken.Remove(requestId);

            return [.. answered.Where(id => !_tables.ContainsValue(id) && !_whole.ContainsValue(id) && _overtaken.Values.All(o => !o.Contains(id)))];
        }
    }

    /// <summary>The pipeline's orders under way: request and destinations.</summary>
    public IReadOnlyList<(long RequestId, IReadOnlyList<long> Destinations)> Whole()
    {
        lock (_gate)
            return [.. _whole.GroupBy(w => w.Value).Select(g => (g.Key, (IReadOnlyList<long>)[.. g.Select(w => w.Key)]))];
    }

    public void WholeDone(long requestId)
    {
        lock (_gate)
        {
            foreach (var destination in _whole.Where(w => w.Value == requestId).Select(w => w.Key).ToList())
                _whole.Remove(destination);
        }
    }
}
