using System.Globalization;
using System.Text;

namespace Rosetta.Postgres.Tests.Destination;

/// <summary>
/// Random changes of a table (id, v), and what a destination that applies them one at a time has afterwards and has parked. A change that the destination refuses is followed, until the
/// next group, by refused ones of its row only: what a later change mends is not refused where a group is folded.
/// </summary>
sealed class ParkingModel(string table, Random random, Func<int> good, Func<string> poison)
{
    readonly Dictionary<int, string> _source = [];
    readonly HashSet<int> _tainted = [];
    readonly HashSet<int> _waits = [];
    readonly List<int> _free = [];
    int _next = 1000;

    /// <summary>The destination's rows.</summary>
    public Dictionary<int, string> Rows { get; } = [];

    public int Count => _source.Count;

    public string Table => table;

    public void Seed(int id, int value) => _source[id] = Rows[id] = Text(value);

    /// <summary>The next group may mend what this one broke: its rows wait.</summary>
    public void EndGroup() => _tainted.Clear();

    /// <summary>A change of the source, and how it is parked; null when it is applied.</summary>
    public (string Sql, string? Parked) Next(double density)
    {
        var isPoison = random.NextDouble() < density;
        var id = _source.Count > 0 ? _source.Keys.ElementAt(random.Next(_source.Count)) : -1;
        if (id < 0 || (!_tainted.Contains(id) && random.Next(4) == 0))
            return Insert(FreeKey(), isPoison);
        if (_tainted.Contains(id))
            return Update(id, id, isPoison: true);
        return random.Next(6) switch
        {
            0 => Delete(id),
            1 => Update(id, FreeKey(), isPoison),
            _ => Update(id, id, isPoison),
        };
    }

    (string, string?) Insert(int id, bool isPoison)
    {
        var value = Value(isPoison);
        _source[id] = value;
        if (isPoison)
            _tainted.Add(id);
        return ($"INSERT INTO {table} VALUES ({Text(id)}, {value})", Apply("Insert", id, id, isPoison, () => Rows[id] = value));
    }

    (string, string?) Update(int id, int to, bool isPoison)
    {
        var value = Value(isPoison);
        _source.Remove(id);
        _source[to] = value;
        if (to != id)
            _free.Add(id);
        if (isPoison)
            _tainted.Add(to);
        return ($"UPDATE {table} SET id = {Text(to)}, v = {value} WHERE id = {Text(id)}", Apply("Update", id, to, isPoison, () =>
        {
            Rows.Remove(id);
            Rows[to] = value;
        }));
    }

    (string, string?) Delete(int id)
    {
        _source.Remove(id);
        _free.Add(id);
        return ($"DELETE FROM {table} WHERE id = {Text(id)}", Apply("Delete", id, id, false, () => Rows.Remove(id)));
    }

    string? Apply(string kind, int id, int to, bool fails, Action apply)
    {
        var waits = _waits.Contains(id) || _waits.Contains(to);
        if (!waits && !fails)
        {
            apply();
            return null;
        }

        _waits.Add(id);
        _waits.Add(to);
        return new StringBuilder(table).Append(' ').Append(kind).Append(' ').Append(Text(id)).Append(waits ? "" : " !").ToString();
    }

    string Value(bool isPoison) => isPoison ? poison() : Text(good());

    int FreeKey()
    {
        if (_free.Count == 0 || random.Next(2) == 0)
            return ++_next;
        var at = random.Next(_free.Count);
        var id = _free[at];
        _free.RemoveAt(at);
        return id;
    }

    static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
