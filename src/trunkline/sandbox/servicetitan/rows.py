"""Invented work in ServiceTitan's published shapes: jobs, visits, calls, and the people who do it."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from trunkline.sandbox.servicetitan.households import FIRST_CUSTOMER, Households
from trunkline.sandbox.servicetitan.invented import CALL_REASONS, CAMPAIGNS, JOB_TYPES, UNITS, Row, half_hour, stamp

TECHNICIANS, EMPLOYEES = 20, 15
# From the id of a customer to the ids of its jobs and visits.
JOBS_EACH = 10
# How calls end that book no job; an outbound call is not classified.
_WITHOUT_JOB = ("NotLead", "Unbooked", "Abandoned", "Excused", None)


@dataclass(frozen=True)
class Rows(Households):
    """All base rows of one sandbox."""

    # Jobs and visits.

    def has_jobs(self, i: int) -> bool:
        """At least one that is completed."""
        return i % 3 == 0

    def has_open_job(self, i: int) -> bool:
        """Beside the completed one."""
        return i % 6 == 0

    def is_visited_today(self, i: int) -> bool:
        """For the open job."""
        return i % 12 == 0

    def job_statuses(self, i: int) -> tuple[str, ...]:
        """One for each job of customer i."""
        if not self.has_jobs(i):
            return ()
        if not self.has_open_job(i):
            return ("Completed",)
        return ("Completed", "InProgress" if self.is_visited_today(i) and i % 24 == 0 else "Scheduled")

    def job_id(self, i: int, k: int) -> int:
        """Also that of its only visit, and of its invoice."""
        return (FIRST_CUSTOMER + i) * JOBS_EACH + k

    def jobs(self, i: int) -> list[Row]:
        """Of customer i."""
        return [self._job(i, k, status) for k, status in enumerate(self.job_statuses(i))]

    def _job(self, i: int, k: int, status: str) -> Row:
        job_id = self.job_id(i, k)
        h = self.dice(job_id, 10)
        done = self.modified(i) if status == "Completed" else None
        return {
            "id": job_id,
            "jobNumber": f"J{job_id}",
            "projectId": None,
            "customerId": FIRST_CUSTOMER + i,
            "locationId": self.location_id(i),
            "jobStatus": status,
            "completedOn": stamp(done) if done else None,
            "businessUnitId": 1 + h % len(UNITS),
            "jobTypeId": 1 + h // 7 % len(JOB_TYPES),
            "priority": "Normal",
            "campaignId": 1,
            "appointmentCount": 1,
            "firstAppointmentId": job_id,
            "lastAppointmentId": job_id,
            "recallForId": None,
            "warrantyId": None,
            "jobGeneratedLeadSource": None,
            "noCharge": False,
            "notificationsEnabled": True,
            "createdById": 1,
            "tagTypeIds": [],
            "leadCallId": FIRST_CUSTOMER + i if k == 0 and self.has_call(i) else None,
            "partnerLeadCallId": None,
            "bookingId": None,
            "soldById": None,
            "customerPo": None,
            "invoiceId": job_id,
            "membershipId": 1 if i % 15 == 0 else None,
            "total": 0.0,
            "createdFromEstimateId": None,
            "estimateIds": [],
            "active": True,
            "summary": f"{JOB_TYPES[h // 7 % len(JOB_TYPES)]} at the customer's request",
            "customFields": [],
            "externalData": None,
            **self.stamps(i),
        }

    def appointment_start(self, i: int, k: int) -> datetime:
        """Open jobs are visited today or within a fortnight, completed ones were visited in the past."""
        if k == 0:
            return half_hour(self.modified(i) - timedelta(hours=3))
        if self.is_visited_today(i):
            return half_hour(self.now - timedelta(minutes=30))
        return half_hour(self.now + timedelta(days=1 + self.dice(i, 11) % 14))

    def appointments(self, i: int) -> list[Row]:
        """One for each job of customer i."""
        return [self._appointment(i, k, status) for k, status in enumerate(self.job_statuses(i))]

    def _appointment(self, i: int, k: int, job_status: str) -> Row:
        job_id, start = self.job_id(i, k), self.appointment_start(i, k)
        return {
            "id": job_id,
            "jobId": job_id,
            "appointmentNumber": f"J{job_id}-1",
            "start": stamp(start),
            "end": stamp(start + timedelta(hours=2)),
            "arrivalWindowStart": stamp(start) if i % 4 == 0 else None,
            "arrivalWindowEnd": stamp(start + timedelta(hours=4)) if i % 4 == 0 else None,
            "status": _visit_status(job_status),
            "specialInstructions": None,
            "customerId": FIRST_CUSTOMER + i,
            "unused": False,
            "createdById": 1,
            "isConfirmed": False,
            "active": True,
            **self.stamps(i),
        }

    def assignments(self, i: int) -> list[Row]:
        """One technician for each visit."""
        technician = 1 + self.dice(i, 12) % TECHNICIANS
        return [
            {
                "id": self.job_id(i, k),
                "technicianId": technician,
                "technicianName": self.staff_name(technician),
                "assignedById": 1,
                "assignedOn": stamp(self.modified(i)),
                "status": _visit_status(status),
                "isPaused": False,
                "jobId": self.job_id(i, k),
                "appointmentId": self.job_id(i, k),
                "active": True,
                **self.stamps(i),
            }
            for k, status in enumerate(self.job_statuses(i))
        ]

    # ServiceTitan's own call records: a few, of calls that came through its tracking numbers.

    def has_call(self, i: int) -> bool:
        """Through ServiceTitan's telephony."""
        return i % 40 == 3

    def calls(self, i: int) -> list[Row]:
        """Of customer i. A call that nobody took is linked to nobody."""
        if not self.has_call(i):
            return []
        ending = "Booked" if self.has_jobs(i) else _WITHOUT_JOB[i // 40 % len(_WITHOUT_JOB)]
        outbound, answered = ending is None, ending != "Abandoned"
        theirs, ours = self.main_number(i), self.tracking_number(0)
        colleague = 1 + i % EMPLOYEES
        agent = {"id": colleague, "name": self.office_name(colleague)} if answered else None
        reason = i % len(CALL_REASONS)
        return [
            {
                "id": FIRST_CUSTOMER + i,
                "duration": f"00:{1 + i % 7:02d}:35" if answered else "00:00:21",
                "from": ours if outbound else theirs,
                "to": theirs if outbound else ours,
                "direction": "Outbound" if outbound else "Inbound",
                "status": "Completed",
                "type": ending,
                "recordingUrl": f"https://recordings.example.com/{FIRST_CUSTOMER + i}.mp3" if answered else None,
                "voiceMailPath": None,
                "reason": {"id": 1 + reason, "name": CALL_REASONS[reason]} if answered and not outbound else None,
                "customer": {"id": FIRST_CUSTOMER + i, "name": self.name(i)} if answered else None,
                "location": {"id": self.location_id(i), "name": self.name(i)} if answered else None,
                "campaign": None if outbound else {"id": 1, "name": CAMPAIGNS[0]},
                "job": {"id": self.job_id(i, 0), "number": f"J{self.job_id(i, 0)}"} if ending == "Booked" else None,
                "agent": agent,
                "createdBy": agent if outbound else None,
                "excuseMemo": "Wrong number" if ending == "Excused" else None,
                "tag": None,
                "active": True,
                "lead": None,
                **self.stamps(i),
            }
        ]

    # Who works here.

    def staff_name(self, j: int) -> str:
        """Technician j."""
        return self.person(j, 13)

    def office_name(self, j: int) -> str:
        """Employee j."""
        return self.person(j, 14)

    def technicians(self) -> list[Row]:
        """All of them."""
        return [
            {
                **self._person(j, self.staff_name(j), "technician", self.staff_number(j)),
                "mobilePhone": self.staff_number(j),
                "dailyGoal": 0.0,
                "isManagedTech": True,
                "burdenRate": 0.0,
                "commissionRate": 0.0,
                "soldByRate": 0.0,
                "status": "Idle",
            }
            for j in range(1, TECHNICIANS + 1)
        ]

    def employees(self) -> list[Row]:
        """All of them."""
        return [
            {
                **self._person(j, self.office_name(j), "office", self.staff_number(50 + j)),
                "role": "Dispatch",
                "agentId": j,
            }
            for j in range(1, EMPLOYEES + 1)
        ]

    def _person(self, j: int, name: str, mailbox: str, phone: str) -> Row:
        return {
            "id": j,
            "userId": j,
            "name": name,
            "businessUnitId": 1,
            "email": f"{mailbox}{j}@example.com",
            "phoneNumber": phone,
            "active": True,
            "hourlyRate": 1.0,  # private: a mirror must not keep it
            **self.stamps(0),
        }


def _visit_status(job_status: str) -> str:
    return {"Completed": "Done", "InProgress": "Working"}.get(job_status, "Scheduled")
