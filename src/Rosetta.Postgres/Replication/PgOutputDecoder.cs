using Rosetta.Core.Changes;
using Rosetta.Core.Positions;

namespace Rosetta.Postgres.Replication;

/// <summary>
/// Decodes pgoutput (protocol version 1: whole transactions, after their commit) into a batch builder. Tuples are copied as they are; nothing is made
/// per row. Formats: PostgreSQL manual, "Logical Replication Message Formats".
/// </summary>
public sealed class PgOutputDecoder(ChangeBatchBuilder builder)
{
    readonly Dictionary<uint, Relation> _relations = [];
    Relation? _last;

    /// <summary>The shape of every table seen so far, by OID.</summary>
    public IReadOnlyDictionary<uint, Relation> Relations => _relations;

    /// <summary>The last transaction's commit time by the source's clock, microseconds since 2000-01-01 UTC.</summary>
    public long LastCommitTime { get; private set; }

    /// <summary>Takes one message in.</summary>
    /// <exception cref="InvalidDataException">It is not one of protocol version 1, or does not fit what came before.</exception>
    public void Decode(ReadOnlySpan<byte> message)
    {
        var reader = new PgOutputReader(message);
        try
        {
            switch (reader.Byte())
            {
                case (byte)'I':
                    Insert(ref reader);
                    break;
                case (byte)'U':
                    Update(ref reader);
                    break;
                case (byte)'D':
                    Delete(ref reader);
                    break;
                case (byte)'B':
                    Begin(ref reader);
                    break;
                case (byte)'C':
                    Commit(ref reader);
                    break;
                case (byte)'R':
                    Remember(ReadRelation(ref reader));
                    break;
                case (byte)'T':
                    Truncate(ref reader);
                    break;
                case (byte)'M':
                    Message(ref reader);
                    break;
                case (byte)'O' or (byte)'Y':
                    // The origin of a replayed transaction, and the name of a user type: relations carry the type's OID, the catalog the rest.
                    break;
                case byte kind:
                    throw new InvalidDataException($"pgoutput sent a message of kind '{(char)kind}' (0x{kind:x2}), which protocol version 1 does not have.");
            }
        }
        catch (Exception e) when (e is ArgumentOutOfRangeException or IndexOutOfRangeException)
        {
            throw new InvalidDataException($"A pgoutput message of kind '{(char)message[0]}' and {message.Length} bytes is cut off or malformed.", e);
        }
    }

    void Begin(ref PgOutputReader reader)
    {
        var commitLsn = new Lsn((ulong)reader.Int64());
        LastCommitTime = reader.Int64();
        builder.Begin(reader.UInt32(), commitLsn, LastCommitTime);
    }

    void Commit(ref PgOutputReader reader)
    {
        reader.Byte();
        reader.Int64();
        builder.Commit(new Lsn((ulong)reader.Int64()));
    }

    void Insert(ref PgOutputReader reader)
    {
        Relation relation = Find(reader.UInt32());
        Expect((byte)'N', reader.Byte());
        builder.AddInsert(relation, reader.Rest);
    }

    void Update(ref PgOutputReader reader)
    {
        Relation relation = Find(reader.UInt32());
        byte kind = reader.Byte();
        if (kind == 'N')
        {
            builder.AddUpdate(relation, ChangeFlags.None, default, reader.Rest);
            return;
        }

        ChangeFlags flags = OldKind(kind);
        ReadOnlySpan<byte> old = reader.Tuple();
        Expect((byte)'N', reader.Byte());
        builder.AddUpdate(relation, flags, old, reader.Rest);
    }

    void Delete(ref PgOutputReader reader)
    {
        Relation relation = Find(reader.UInt32());
        ChangeFlags flags = OldKind(reader.Byte());
        builder.AddDelete(relation, flags, reader.Rest);
    }

    void Truncate(ref PgOutputReader reader)
    {
        var relations = new Relation[reader.Int32()];
        byte options = reader.Byte();
        for (int i = 0; i < relations.Length; i++)
            relations[i] = Find(reader.UInt32());
        builder.AddTruncate(
            relations,
            ((options & 1) != 0 ? ChangeFlags.TruncateCascade : 0) | ((options & 2) != 0 ? ChangeFlags.TruncateRestartIdentity : 0));
    }

    /// <summary>A message outside of transactions is sent when decoding has reached it: all that committed before it has been delivered.</summary>
    void Message(ref PgOutputReader reader)
    {
        bool isTransactional = (reader.Byte() & 1) != 0;
        if (!isTransactional)
            builder.Advance(new Lsn((ulong)reader.Int64()));
    }

    static Relation ReadRelation(ref PgOutputReader reader)
    {
        uint id = reader.UInt32();
        string schema = reader.Text();
        string name = reader.Text();
        var identity = (ReplicaIdentity)reader.Byte();
        var columns = new RelationColumn[reader.Int16()];
        for (int i = 0; i < columns.Length; i++)
        {
            bool isKey = (reader.Byte() & 1) != 0;
            string column = reader.Text();
            uint type = reader.UInt32();
            columns[i] = new RelationColumn(column, type, reader.Int32(), isKey);
        }

        // pgoutput sends pg_catalog as an empty string.
        return new Relation(id, schema.Length == 0 ? "pg_catalog" : schema, name, identity, columns);
    }

    /// <summary>The server repeats relations at will; an unchanged one stays the same object, so that others may compare references.</summary>
    void Remember(Relation relation)
    {
        if (_relations.TryGetValue(relation.Id, out Relation? known)
            && known.Schema == relation.Schema && known.Name == relation.Name && known.HasShapeOf(relation))
            return;
        _relations[relation.Id] = relation;
        _last = null;
    }

    Relation Find(uint id)
    {
        if (_last is not null && _last.Id == id)
            return _last;
        return _last = _relations.TryGetValue(id, out Relation? relation)
            ? relation
            : throw new InvalidDataException($"pgoutput sent a change of relation {id} before it described that relation.");
    }

    static ChangeFlags OldKind(byte kind) => kind switch
    {
        (byte)'K' => ChangeFlags.OldIsKey,
        (byte)'O' => ChangeFlags.OldIsFull,
        _ => throw new InvalidDataException($"pgoutput sent an old tuple of kind '{(char)kind}'."),
    };

    static void Expect(byte expected, byte found)
    {
        if (found != expected)
            throw new InvalidDataException($"pgoutput sent '{(char)found}' where a new tuple ('{(char)expected}') belongs.");
    }
}
