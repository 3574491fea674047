using System.Globalization;
using Rosetta.Core.Tables;

namespace Rosetta.Postgres.Source;

/// <summary>What the preflight says about a server: pure.</summary>
static class ServerChecks
{
    const int OldestVersion = 140000;
    const int NextUnknownVersion = 190000;

    /// <summary>A lane that fell behind, and a table copied meanwhile, each take a temporary slot and a walsender.</summary>
    const int Spare = 2;

    const long SmallWalKeepMb = 1024;
    const long ShortSenderTimeoutMs = 10_000;

    /// <param name="makesPublication">The pipeline has yet to make its publications.</param>
    /// <param name="slotIsOurs">The slot, if it exists, is recorded as the pipeline's.</param>
    public static IEnumerable<PreflightFinding> Check(ServerFacts server, string slotName, bool makesPublication, bool slotIsOurs)
    {
        var user = SqlIdentifier.Quote(server.User);
        if (server.Version < OldestVersion)
            yield return Error(PreflightChecks.Version, $"PostgreSQL {Major(server)} is too old: 14 to 18 are supported.", null);
        else if (server.Version >= NextUnknownVersion)
            yield return Warning(PreflightChecks.Version, $"PostgreSQL {Major(server)} is newer than what Rosetta was tested with (14 to 18).", null);
        if (server.InRecovery)
            yield return Error(PreflightChecks.Recovery, "The server is a standby: name its primary as the source.", null);
        if (server.WalLevel != "logical")
        {
            yield return Error(
                PreflightChecks.WalLevel, $"wal_level is {server.WalLevel}; changes can be read only with logical. It takes effect after a restart of the server.",
                "ALTER SYSTEM SET wal_level = 'logical';");
        }

        if (!server.MayReplicate)
            yield return Error(PreflightChecks.ReplicationRole, $"Role {server.User} may not replicate.", $"ALTER ROLE {user} REPLICATION;");
        if (makesPublication && !server.MayCreate)
        {
            yield return Error(
                PreflightChecks.PublicationPrivilege,
                $"Role {server.User} may not make publications in database {server.Database}. Or make one yourself, named as the source's publication_name.",
                $"GRANT CREATE ON DATABASE {SqlIdentifier.Quote(server.Database)} TO {user};");
        }

        foreach (var finding in Capacity(server, slotName, slotIsOurs))
            yield return finding;
        foreach (var finding in Limits(server))
            yield return finding;
        if (!server.SlotExists)
        {
            foreach (var finding in Waits(server))
                yield return finding;
        }
    }

    static IEnumerable<PreflightFinding> Capacity(ServerFacts server, string slotName, bool slotIsOurs)
    {
        if (!SourceNames.IsSlotName(slotName))
        {
            yield return Error(
                PreflightChecks.SlotName,
                $"'{slotName}' cannot be the name of a replication slot: use lower case letters, digits and underscores for replication_name.", null);
        }

        if (server.SlotExists && !slotIsOurs)
        {
            yield return Error(
                PreflightChecks.SlotName,
                $"Replication slot {slotName} exists and was not made by this pipeline. Choose another replication_name, or drop it if nobody needs it.",
                $"SELECT pg_drop_replication_slot({SqlIdentifier.Literal(slotName)});");
        }

        var freeSlots = server.MaxSlots - server.UsedSlots - (server.SlotExists ? 0 : 1);
        if (freeSlots < Spare)
        {
            yield return new PreflightFinding(
                freeSlots < 0 ? FindingSeverity.Error : FindingSeverity.Warning, PreflightChecks.ReplicationSlots,
                $"{server.UsedSlots} of {server.MaxSlots} replication slots are taken. A pipeline needs one, and two more from time to time, without which "
                    + "destinations that fall behind hold up the others. It takes effect after a restart of the server.",
                Invariant($"ALTER SYSTEM SET max_replication_slots = {server.MaxSlots + Spare - freeSlots};"));
        }

        var freeSenders = server.MaxSenders - server.UsedSenders - (server.SlotPid is null ? 1 : 0);
        if (freeSenders < Spare)
        {
            yield return new PreflightFinding(
                freeSenders < 0 ? FindingSeverity.Error : FindingSeverity.Warning, PreflightChecks.WalSenders,
                $"{server.UsedSenders} of {server.MaxSenders} walsenders are taken. A pipeline needs one, and two more from time to time. It takes effect "
                    + "after a restart of the server.",
                Invariant($"ALTER SYSTEM SET max_wal_senders = {server.MaxSenders + Spare - freeSenders};"));
        }
    }

    static IEnumerable<PreflightFinding> Limits(ServerFacts server)
    {
        if (server.SlotWalKeepMb is >= 0 and < SmallWalKeepMb)
        {
            yield return Warning(
                PreflightChecks.WalRetention,
                $"max_slot_wal_keep_size is {server.SlotWalKeepMb} MB: a pipeline that is behind by more loses its slot, and all tables have to be copied again.",
                "ALTER SYSTEM SET max_slot_wal_keep_size = '10GB';\nSELECT pg_reload_conf();");
        }
        else if (server.SlotWalKeepMb < 0)
        {
            yield return new PreflightFinding(
                FindingSeverity.Info, PreflightChecks.WalRetention,
                "max_slot_wal_keep_size is -1: WAL that a stopped pipeline has not read is kept until the disk is full.", null);
        }

        if (server.SlotIdleTimeoutSeconds > 0)
        {
            yield return Warning(
                PreflightChecks.SlotTimeout,
                $"idle_replication_slot_timeout is {server.SlotIdleTimeoutSeconds} s: a pipeline that is away for longer loses its slot, and all tables have to be copied again.",
                "ALTER SYSTEM SET idle_replication_slot_timeout = 0;\nSELECT pg_reload_conf();");
        }

        if (server.SenderTimeoutMs is 0 or (> 0 and < ShortSenderTimeoutMs))
        {
            yield return Warning(
                PreflightChecks.SenderTimeout,
                server.SenderTimeoutMs == 0
                    ? "wal_sender_timeout is 0: the server does not notice when a node of Rosetta is gone, and keeps its slot busy."
                    : $"wal_sender_timeout is {server.SenderTimeoutMs} ms: a short pause of the network ends the stream.",
                "ALTER SYSTEM SET wal_sender_timeout = '60s';\nSELECT pg_reload_conf();");
        }

        if (server.Encoding == "SQL_ASCII")
        {
            yield return Warning(
                PreflightChecks.Encoding,
                "The database's encoding is SQL_ASCII: its texts may hold bytes that a destination in UTF8 refuses; such rows stop their table.", null);
        }
    }

    static IEnumerable<PreflightFinding> Waits(ServerFacts server)
    {
        foreach (var t in server.Transactions)
        {
            yield return Warning(
                PreflightChecks.LongTransaction,
                $"The replication slot can be made only when this transaction has ended: process {t.Pid}, role {t.User}, application '{t.Application}', "
                    + $"{t.State}, for {t.AgeSeconds} s: {t.Query}",
                Invariant($"SELECT pg_terminate_backend({t.Pid});"));
        }

        foreach (var p in server.Prepared)
        {
            yield return Warning(
                PreflightChecks.PreparedTransaction,
                $"The replication slot can be made only when this prepared transaction has ended: '{p.Gid}' of role {p.Owner} in database {p.Database}, "
                    + $"for {p.AgeSeconds} s. Whoever prepared it knows whether to commit it or to roll it back.",
                $"ROLLBACK PREPARED {SqlIdentifier.Literal(p.Gid).TrimStart()};");
        }
    }

    static PreflightFinding Error(string check, string detail, string? fix) => new(FindingSeverity.Error, check, detail, fix);

    static PreflightFinding Warning(string check, string detail, string? fix) => new(FindingSeverity.Warning, check, detail, fix);

    static string Major(ServerFacts server) => (server.Version / 10000).ToString(CultureInfo.InvariantCulture);

    static string Invariant(FormattableString text) => FormattableString.Invariant(text);
}
