namespace Rosetta.Postgres.Destination.Statements;

/// <summary>A statement that is prepared on the session's connection when it is first needed.</summary>
sealed class PreparedSql(string name, string sql)
{
    /// <summary>Unique on the connection.</summary>
    public string Name { get; } = name;

    public string Sql { get; } = sql;

    /// <summary>The server has it, or is about to be told in the pipeline being filled.</summary>
    public bool IsPrepared { get; set; }
}
