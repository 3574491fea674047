namespace Rosetta.Testing.Workloads;

/// <summary>The names of the workload's tables; each is there for what it makes hard.</summary>
public static class WorkloadTables
{
    /// <summary>bigint key, ordinary columns; key updates; the large transaction goes here.</summary>
    public const string Items = "items";

    /// <summary>Key of two columns; key updates of one and of many rows.</summary>
    public const string OrderLines = "order_lines";

    /// <summary>uuid key; two rows swap their keys in one transaction.</summary>
    public const string Devices = "devices";

    /// <summary>60 columns, two of them stored out of line, which updates usually leave unchanged.</summary>
    public const string Wide = "wide";

    /// <summary>No key, REPLICA IDENTITY FULL, NULLs, identical rows; TRUNCATE when asked for.</summary>
    public const string Events = "events";

    /// <summary>Few hot rows, <c>value = value + 1</c> only: applied twice or not at all, and the sum is off.</summary>
    public const string Counters = "counters";

    /// <summary>Transfers: the sum of all balances never changes.</summary>
    public const string Accounts = "accounts";

    /// <summary>A name and columns that need quoting everywhere.</summary>
    public const string Odd = "Odd \"Table\" Näme.x;--";

    /// <summary>Arrays, enum, jsonb, numeric, interval, ranges and the values of each type that are easily lost.</summary>
    public const string Kinds = "kinds";

    public static IReadOnlyList<string> All { get; } = [Items, OrderLines, Devices, Wide, Events, Counters, Accounts, Odd, Kinds];
}
